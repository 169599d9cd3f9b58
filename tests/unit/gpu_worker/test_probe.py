"""What the probe takes and what it leaves."""

import threading
import time

import numpy as np
import pytest
from worker_parts import CPU, Turning, frame

from dropscore.contracts.measured import Precision
from dropscore.workloads.base import Item
from gpu_worker.engine import Engine
from gpu_worker.probe import Candidate, Probe, candidates
from gpu_worker.runner import CpuRunner

PLAIN = Candidate(Precision.FLOAT32, channels_last=False)
HALF = Candidate(Precision.BFLOAT16, channels_last=True)
LAST = Candidate(Precision.FLOAT32, channels_last=True)


class Stopwatch:
    """Time that passes when a model says that it took some, and not otherwise, however busy this machine is."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def spend(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def engine(watch: Stopwatch) -> Engine:
    return Engine(CPU, CpuRunner(watch))


@pytest.fixture
def probe(engine: Engine) -> Probe:
    return Probe(engine, CpuRunner())


@pytest.fixture
def scorers(watch: Stopwatch):
    """Scorers that take this long for a batch of any size."""

    def of(times_s: dict[Candidate, float], tried: list[Candidate]):
        def load(way: Candidate) -> Turning:
            tried.append(way)
            return Turning(lambda batch: watch.spend(times_s[way]))

        return load

    return of


@pytest.mark.parametrize(
    ("times_s", "taken"),
    [
        pytest.param({PLAIN: 0.02, HALF: 0.005, LAST: 0.02}, HALF, id="16 bits are faster here"),
        pytest.param({PLAIN: 0.02, HALF: 0.1, LAST: 0.02}, PLAIN, id="16 bits are slower here"),
        pytest.param({PLAIN: 0.02, HALF: 0.03, LAST: 0.008}, LAST, id="the layout alone is faster"),
        pytest.param({PLAIN: 0.100, HALF: 0.0975, LAST: 0.0975}, PLAIN, id="noise does not decide"),
    ],
)
def test_only_what_is_clearly_faster_is_taken(probe, scorers, times_s, taken):
    profile = probe.run(scorers(times_s, []), frame(0, 64, 64), allow_half=True)
    assert Candidate(profile.precision, profile.channels_last) == taken
    assert "float32" in profile.reason


def test_16_bits_are_not_even_tried_where_the_package_forbids_them(probe, scorers):
    tried: list[Candidate] = []
    probe.run(scorers({PLAIN: 0.001, LAST: 0.001}, tried), frame(0), allow_half=False)
    assert HALF not in tried


def test_small_items_are_batched_when_a_batch_costs_as_much_as_one(probe, scorers):
    profile = probe.run(scorers({PLAIN: 0.003, LAST: 0.003}, []), frame(0), allow_half=False)
    assert profile.batch_items == 32
    assert profile.item_bytes == 12


def test_items_are_not_batched_when_a_batch_costs_as_much_as_its_items(probe, watch):
    def load(way: Candidate) -> Turning:
        return Turning(lambda batch: watch.spend(0.004 * len(batch)))

    assert probe.run(load, frame(0), allow_half=False).batch_items == 1


def test_large_pictures_are_not_batched_on_a_cpu(probe, scorers):
    profile = probe.run(scorers({PLAIN: 0.001, LAST: 0.001}, []), frame(0, 1000, 1500), allow_half=False)
    assert profile.batch_items == 1


def test_a_part_of_a_large_picture_is_enough(probe):
    sizes: set[tuple[int, ...]] = set()

    def load(way: Candidate) -> Turning:
        return Turning(lambda batch: sizes.add(tuple(batch.shape)))

    probe.run(load, frame(0, 720, 1280), allow_half=False)
    assert max(height * width for _, height, width, _ in sizes) <= 360 * 640


def test_a_model_that_takes_seconds_for_one_item_is_not_probed(probe, engine):
    tried: list[Candidate] = []

    def load(way: Candidate) -> Turning:
        tried.append(way)

        def steps(batch: object) -> None:
            for _ in range(1000):
                threading.Event().wait(0.01)
                engine.checkpoint()

        return Turning(steps)

    began = time.monotonic()
    profile = probe.run(load, frame(0), allow_half=False)
    assert time.monotonic() - began < 4
    assert tried == [PLAIN]
    assert (profile.precision, profile.batch_items) == (Precision.FLOAT32, 1)
    assert "too slow" in profile.reason


def test_a_way_that_does_not_fit_in_memory_is_not_taken(probe):
    def load(way: Candidate) -> Turning:
        def cost(batch: object) -> None:
            if way is not PLAIN and way != PLAIN:
                raise MemoryError

        return Turning(cost)

    profile = probe.run(load, frame(0), allow_half=True)
    assert Candidate(profile.precision, profile.channels_last) == PLAIN


def test_things_that_are_no_pictures_are_probed_whole(probe):
    seen: set[tuple[int, ...]] = set()

    def load(way: Candidate) -> Turning:
        return Turning(lambda batch: seen.add(tuple(batch.shape[1:])))

    volume = Item(0, np.zeros((8, 300, 300), dtype=np.uint8))
    probe.run(load, volume, allow_half=False)
    assert seen == {(8, 300, 300)}


def test_on_a_gpu_the_layout_is_channels_last_and_16_bits_are_tried():
    ways = candidates(is_cpu=False, half_types=[Precision.FLOAT16])
    assert ways == (LAST, Candidate(Precision.FLOAT16, channels_last=True))
