"""The worker's engine on a GPU: full-width style transfer of 300 frames of 1280x720 as 10 shards, in 16 bits.

P19  share of the job in which the device is at work; its time for a frame / what its arithmetic alone would take
P20  bytes on the link for each frame / one uint8 frame up and one down

Frames come from memory and results are dropped, because no A100, H100 or H200 encodes video and x264 would set the
pace. Everything else is the worker: leases, batches, streams, verdicts, over storage in memory.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from benchmarks.goals import Goal, report
from benchmarks.worker_clip import HEIGHT, WIDTH, frames
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.identity import digest
from dropscore.contracts.names import Lane, QueueName
from dropscore.contracts.package import ModelPackage
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.request import AdmittedRun, InputRef, RunPolicy
from dropscore.contracts.verdict import Verdict
from dropscore.models.architectures import WEIGHTS
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import bundle
from dropscore.models.registry import ModelRegistry
from dropscore.workloads.base import InputFiles, Item, LoadRequest, PartFile, Scorer, Sink, WorkloadDefinition
from dropscore.workloads.registry import workload
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.score import StyleTransferScoring
from gpu_worker.compose import compose_scoring
from gpu_worker.desk import compose_desk
from gpu_worker.exits import Exit
from gpu_worker.run_logs import RunLogs
from gpu_worker.sides import Scoring
from gpu_worker.worker import Worker

SHARDS, SHARD_ITEMS = 10, 30
FULL_WIDTH = 32
FRAME_GFLOP = 283.5
"""Of the network as published, for one frame (multiplications and additions)."""
FRAME_BYTES = WIDTH * HEIGHT * 3
REAL = StyleTransferScoring()
PICTURES = list(frames(16))


class Dropped:
    """A sink that keeps nothing."""

    def write(self, item: Item, result: Any) -> None:
        """Look at one pixel, as an encoder would at all."""
        assert result.shape == item.pixels.shape
        assert result[0, 0] is not None

    def close(self) -> PartFile:
        """An empty part."""
        return PartFile(data=b"", suffix="bin", media_type="application/octet-stream")

    def abort(self) -> None:
        """There is nothing to throw away."""


class FromMemory:
    """Style transfer whose frames come from memory."""

    def model_key(self, options: StyleTransferOptions) -> str:
        return REAL.model_key(options)

    def load(self, request: LoadRequest) -> Scorer:
        return REAL.load(request)

    def open_source(self, shard: ShardSpec, options: StyleTransferOptions, inputs: InputFiles) -> Iterator[Item]:
        del options, inputs
        for index in range(shard.first_item, shard.first_item + shard.items):
            yield Item(index, PICTURES[index % len(PICTURES)])

    def open_sink(self, shard: ShardSpec, options: StyleTransferOptions) -> Sink:
        del shard, options
        return Dropped()


SCORING = FromMemory()


def main() -> int:
    """Measure both goals, or say why not."""
    if not torch.cuda.is_available():
        print("skipped: no CUDA device is here")
        return 0
    cloud = memory_cloud()
    admit = _admission(cloud)
    worker, thread = _start(cloud)
    _job(cloud, admit("warm"))
    verdicts, seconds = _job(cloud, admit("measured"))
    with tempfile.TemporaryDirectory() as folder:
        link_bytes = _link_bytes(lambda: _job(cloud, admit("traced")), Path(folder) / "trace.json")
    worker.leave(Exit.IDLE)
    thread.join(30)
    frame_s = [item.predict_s for verdict in verdicts for item in verdict.items]
    mean_s = sum(frame_s) / len(frame_s)
    floor_s = FRAME_GFLOP * 1e9 / _flops_per_s()
    note = f"{torch.cuda.get_device_name()}, {mean_s * 1000:.2f} ms a frame, {verdicts[0].worker.precision}"
    return report(
        [
            Goal(
                id="P19", title="device at work / job", value=sum(frame_s) / seconds, bar=0.95, at_most=False, note=note
            ),
            Goal(
                id="P19", title="time for a frame / its arithmetic at the measured peak", value=mean_s / floor_s, bar=4
            ),
            Goal(
                id="P20",
                title="bytes on the link / one uint8 frame each way",
                value=link_bytes / (2 * FRAME_BYTES),
                bar=2,
            ),
        ]
    )


def _admission(cloud: MemoryCloud) -> Any:
    torch.manual_seed(0)
    weights = save(TransformerNet(FULL_WIDTH).state_dict())
    package = bundle(
        ModelPackage(
            name="full-width",
            version="1",
            workload="style_transfer",
            title="random weights",
            architecture="transformer_net",
            parameters={"width": FULL_WIDTH},
            files=(),
            half_precision=True,
            licence="MIT",
        ),
        {WEIGHTS: weights},
    )
    model = ModelRegistry(cloud.blobs).push(package)
    options = StyleTransferOptions()

    def admit(run_id: str) -> str:
        run = AdmittedRun(
            run_id=run_id,
            workload="style_transfer",
            options=options.model_dump(mode="json"),
            model=model,
            lane=Lane.NORMAL,
            policy=RunPolicy(),
            input_count=1,
            input_bytes=1,
            options_digest=digest(options),
        )
        cloud.blobs.create(layout.admission(run_id), encode_bytes(run))
        ref = InputRef(name="none", etag="none", size_bytes=1)
        cloud.blobs.create(layout.inputs(run_id), encode_bytes(ref) + b"\n")
        return run_id

    return admit


def _find(name: str) -> WorkloadDefinition:
    return replace(workload(name), scoring="benchmarks.gpu.style:SCORING")


def _start(cloud: MemoryCloud, device: str = "cuda") -> tuple[Worker, threading.Thread]:
    desk = compose_desk(cloud.blobs, cloud.queue, cloud.clock, RunLogs("bench"))
    worker = Worker(desk, idle_exit_s=600)
    coming = Future[Scoring]()
    coming.set_result(compose_scoring(desk, worker.ended, name="bench", device=device, find_workload=_find))
    thread = threading.Thread(target=worker.run, args=(coming,), daemon=True)
    thread.start()
    return worker, thread


def _job(cloud: MemoryCloud, run_id: str) -> tuple[list[Verdict], float]:
    """The verdicts of one job and its seconds."""
    started = time.perf_counter()
    for number in range(SHARDS):
        shard = ShardSpec(shard_id=number, input_index=0, first_item=number * SHARD_ITEMS, items=SHARD_ITEMS)
        cloud.queue.send(QueueName.SHARDS_NORMAL, encode_bytes(ShardMessage(run_id=run_id, shard=shard)))
    paths = [layout.verdict(run_id, number) for number in range(SHARDS)]
    while not all(cloud.blobs.stored(path) for path in paths):
        time.sleep(0.001)
    seconds = time.perf_counter() - started
    return [decode(Verdict, cloud.blobs.get(path).data) for path in paths], seconds


def _link_bytes(job: Any, trace: Path) -> float:
    """Bytes copied between host and device for each frame of a job, as the driver counted them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        job()
        torch.cuda.synchronize()
    profiler.export_chrome_trace(str(trace))
    copied = 0
    for event in json.loads(trace.read_text())["traceEvents"]:
        if event.get("cat") == "gpu_memcpy" and ("HtoD" in event["name"] or "DtoH" in event["name"]):
            copied += int(event["args"]["bytes"])
    return copied / (SHARDS * SHARD_ITEMS)


def _flops_per_s() -> float:
    """What the device reaches on a large 16-bit matrix product: the floor is no data sheet's."""
    side = 8192
    left, right = (torch.rand(side, side, device="cuda", dtype=torch.float16) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begun.record()
        torch.matmul(left, right)
        ended.record()
        ended.synchronize()
        best = min(best, begun.elapsed_time(ended) / 1000)
    with suppress(RuntimeError):
        torch.cuda.empty_cache()
    return 2 * side**3 / best


if __name__ == "__main__":
    sys.exit(main())
