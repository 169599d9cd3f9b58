"""The engine on a CUDA device: streams, pinned memory, order, memory limits, sameness of results."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from dropscore.contracts.measured import ExecutionProfile, Precision
from dropscore.contracts.plan import ShardSpec
from dropscore.workloads.base import Item
from gpu_worker.device import find_device
from gpu_worker.engine import Engine
from gpu_worker.job import Batch
from gpu_worker.loaded import Loaded
from gpu_worker.probe import Candidate, Probe
from gpu_worker.runner import CpuRunner, CudaRunner, runner_for

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here"),
]

HEIGHT, WIDTH = 180, 320


class Blur:
    """A few convolutions, uint8 pictures in and out."""

    independent = True
    memory_bytes = 1000

    def __init__(self, device: torch.device, *, gigabytes_per_item: float = 0.0) -> None:
        torch.manual_seed(0)
        self._layers = [torch.nn.Conv2d(3, 3, 5, padding=2).to(device) for _ in range(3)]
        self._waste = int(gigabytes_per_item * 2**30)
        self.sizes: list[int] = []

    def begin(self, shard: ShardSpec) -> None:
        """Nothing is kept."""

    def preprocess(self, items: Sequence[Item]) -> torch.Tensor:
        return torch.from_numpy(np.stack([item.pixels for item in items]))

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(batch))
        if self._waste:
            torch.empty(len(batch) * self._waste, dtype=torch.uint8, device=batch.device)
        picture = batch.permute(0, 3, 1, 2).float()
        for layer in self._layers:
            picture = layer(picture)
        return picture.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)

    def postprocess(self, result: torch.Tensor, items: Sequence[Item]) -> Sequence[Any]:
        return list(result.numpy())


def no_check() -> None:
    """Nothing stops the work."""


def model(scorer: Blur, device_kind: str) -> Loaded:
    profile = ExecutionProfile(
        device=device_kind,
        precision=Precision.FLOAT32,
        channels_last=False,
        batch_items=4,
        item_bytes=HEIGHT * WIDTH * 3,
        reason="",
    )
    return Loaded(key="blur", scorer=scorer, profile=profile, digest=None, parallel=1, load_s=0.0)


def items(count: int) -> list[Item]:
    random = np.random.default_rng(0)
    return [Item(index, random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)) for index in range(count)]


def batch_of(engine: Engine, scorer: Blur, some: list[Item], number: int = 0) -> Batch:
    return Batch(number=number, items=some, tensor=engine.stage(scorer.preprocess(some)))


@pytest.fixture
def engine() -> Engine:
    device = find_device("cuda")
    return Engine(device, runner_for(device.torch_device))


@pytest.fixture
def blur(engine: Engine) -> Blur:
    return Blur(engine.device.torch_device)


def test_the_result_is_that_of_the_cpu_within_one_level(engine, blur):
    some = items(4)
    on_cpu = Blur(torch.device("cpu"))
    cpu = Engine(find_device("cpu"), CpuRunner())
    expected, _ = cpu.predict(model(on_cpu, "cpu"), on_cpu, batch_of(cpu, on_cpu, some), check=no_check).wait()
    found, seconds = engine.predict(
        model(blur, engine.device.kind), blur, batch_of(engine, blur, some), check=no_check
    ).wait()
    assert found.device.type == "cpu"
    assert found.is_pinned()
    assert seconds > 0
    assert (found.int() - expected.int()).abs().max() <= 1


def test_many_batches_under_way_give_each_its_own_result(engine, blur):
    some = items(32)
    loaded = model(blur, engine.device.kind)
    alone = [engine.predict(loaded, blur, batch_of(engine, blur, [one]), check=no_check).wait()[0] for one in some]
    together = [engine.predict(loaded, blur, batch_of(engine, blur, [one]), check=no_check) for one in some]
    for expected, pending in zip(alone, together, strict=True):
        assert torch.equal(pending.wait()[0], expected)


def test_the_same_batch_gives_the_same_bits_each_time(engine, blur):
    loaded = model(blur, engine.device.kind)
    first, second = (
        engine.predict(loaded, blur, batch_of(engine, blur, items(4)), check=no_check).wait()[0] for _ in range(2)
    )
    assert torch.equal(first, second)


def test_what_is_staged_is_pinned(engine, blur):
    assert engine.stage(blur.preprocess(items(1))).is_pinned()


def test_a_batch_over_the_devices_memory_is_halved_and_the_size_remembered(engine):
    total = torch.cuda.get_device_properties(engine.device.torch_device).total_memory / 2**30
    greedy = Blur(engine.device.torch_device, gigabytes_per_item=total / 3)
    loaded = model(greedy, engine.device.kind)
    found, _ = engine.predict(loaded, greedy, batch_of(engine, greedy, items(4)), check=no_check).wait()
    assert len(found) == 4
    assert greedy.sizes[0] == 4
    assert engine.batch_size(loaded, HEIGHT * WIDTH * 3) == 2


def test_a_hundred_such_failures_leave_no_memory_behind(engine):
    total = torch.cuda.get_device_properties(engine.device.torch_device).total_memory / 2**30
    runner = CudaRunner(engine.device.torch_device)
    before = None
    for number in range(100):
        greedy = Blur(engine.device.torch_device, gigabytes_per_item=total / 3)
        fresh = Engine(engine.device, runner)
        fresh.predict(
            model(greedy, engine.device.kind), greedy, batch_of(fresh, greedy, items(4)), check=no_check
        ).wait()
        runner.free()
        if number == 1:
            before = torch.cuda.memory_allocated()
    assert before is not None
    assert torch.cuda.memory_allocated() <= before + 2**20


def test_the_probe_takes_channels_last_and_a_batch(engine):
    def load(way: Candidate) -> Blur:
        assert way.channels_last
        return Blur(engine.device.torch_device)

    profile = Probe(engine, runner_for(engine.device.torch_device)).run(load, items(1)[0], allow_half=True)
    assert profile.channels_last
    assert profile.batch_items >= 1
    assert engine.device.kind in profile.device
