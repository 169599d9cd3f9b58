"""What the worker's benchmarks share: real storage (Azurite), a run of one clip, a worker process, memory sampling."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Self

from benchmarks.worker_clip import GOP, write_clip
from benchmarks.worker_events import Messages
from benchmarks.worker_standins import LOCK, OPTIONS
from cpu_worker.parts import RunParts
from cpu_worker.publish import upload_outputs
from cpu_worker.report.ledger import Ledger
from dropscore.cloud.azure_blobs import AzureBlobs, connect_blobs
from dropscore.cloud.azure_queue import AzureQueue, connect_queue
from dropscore.cloud.azure_setup import create_containers_and_queues
from dropscore.cloud.bell import ring
from dropscore.cloud.block_cache import BlockCache
from dropscore.cloud.clock import SystemClock
from dropscore.cloud.connection import read_storage
from dropscore.cloud.environment import Environment
from dropscore.cloud.input_files import BlobInputFiles
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.identity import digest
from dropscore.contracts.names import Account, Lane, QueueName
from dropscore.contracts.plan import Piece, PlanIndex, ShardMessage, ShardSpec
from dropscore.contracts.request import AdmittedRun, InputRef, RunPolicy
from dropscore.contracts.verdict import Outcome, Verdict
from dropscore.workloads.base import Pace, PlanRequest, StitchRequest
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.media.ranges import cut
from dropscore.workloads.registry import resolve, workload
from dropscore.workloads.style_transfer.work import VideoWork
from localcloud.azurite import running_azurite

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = "style_transfer"
TOO_LONG_S = 900.0
LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A planned run whose messages are not sent yet."""

    run_id: str
    plan: PlanIndex
    shards: tuple[ShardSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Storage for one benchmark."""

    blobs: AzureBlobs
    queue: AzureQueue
    nudges: Messages
    settings: dict[str, str]
    folder: Path

    def upload_clip(self, frames: int) -> InputRef:
        """A clip of this many frames, written once, as an input."""
        path = self.clip(frames)
        data, blob = path.read_bytes(), layout.input_file(path.name)
        found = self.blobs.head(blob)
        etag = found.etag if found else self.blobs.put(blob, data)
        return InputRef(name=path.name, etag=etag, size_bytes=len(data))

    def clip(self, frames: int) -> Path:
        """The clip as a file."""
        path = self.folder / f"clip-{frames}.mp4"
        if not path.exists():
            write_clip(path, frames)
        return path

    def plan(self, run_id: str, ref: InputRef, *, policy: RunPolicy | None = None) -> Job:
        """Admit and plan a run: a shard for each group of pictures, as the planner writes them. Workers are told that
        work is coming, as they are when a planning container is started.
        """
        ring(self.blobs, run_id)
        admitted = AdmittedRun(
            run_id=run_id,
            workload=WORKLOAD,
            options=OPTIONS.model_dump(mode="json"),
            model=None,
            lane=Lane.NORMAL,
            policy=policy or RunPolicy(),
            input_count=1,
            input_bytes=ref.size_bytes,
            options_digest=digest(OPTIONS),
        )
        self.blobs.create(layout.admission(run_id), encode_bytes(admitted))
        self.blobs.create(layout.inputs(run_id), encode_bytes(ref) + b"\n")
        inputs = self.inputs(run_id)
        found = resolve(workload(WORKLOAD).planner)(
            PlanRequest(
                run_id=run_id,
                options=OPTIONS,
                inputs=inputs,
                pace=Pace(setup_s=0.1, megapixel_s=0.1, lanes=1, measured=False),
                target_shard_s=1.0,
            )
        )
        shards = tuple(_shards(inputs))
        index = PlanIndex(
            run_id=run_id,
            shards=len(shards),
            items=sum(shard.items for shard in shards),
            pages=1,
            inputs=found.inputs,
            facts=dict(found.facts),
            shard_items=GOP,
            reason="one group of pictures",
        )
        self.blobs.put(layout.plan_page(run_id, 1), b"".join(encode_bytes(shard) + b"\n" for shard in shards))
        return Job(run_id=run_id, plan=index, shards=shards)

    def send(self, job: Job) -> None:
        """Put all shards of a job on the queue."""
        bodies = [encode_bytes(ShardMessage(run_id=job.run_id, shard=shard)) for shard in job.shards]
        ring(self.blobs, job.run_id)
        assert self.queue.send_many(QueueName.SHARDS_NORMAL, bodies) == len(bodies)

    def wait_verdicts(self, job: Job) -> None:
        """Wait until every shard has its verdict: look when the worker nudges, and every second, as a run does."""
        deadline = time.monotonic() + TOO_LONG_S
        while time.monotonic() < deadline:
            if self.nudges.wait(LOOK_S):
                for nudge in self.queue.receive(QueueName.RUN_EVENTS, count=32, lease_s=30):
                    self.queue.delete(nudge)
            if sum(1 for _ in self.blobs.list(layout.verdicts_prefix(job.run_id))) == len(job.shards):
                return
        raise TimeoutError(job.run_id)

    def wait_parts(self, job: Job) -> None:
        """Wait until every part is there and no message is left."""
        deadline = time.monotonic() + TOO_LONG_S
        while time.monotonic() < deadline:
            parts = sum(1 for _ in self.blobs.list(layout.parts_prefix(job.run_id)))
            if parts == len(job.shards) and self.queue.depth(QueueName.SHARDS_NORMAL) == 0:
                return
            time.sleep(0.05)
        raise TimeoutError(job.run_id)

    def verdicts(self, job: Job) -> list[Verdict]:
        """All verdicts, each done."""
        paths = (layout.verdict(job.run_id, shard.shard_id) for shard in job.shards)
        found = [decode(Verdict, self.blobs.get(path).data) for path in paths]
        assert all(verdict.outcome is Outcome.DONE for verdict in found), [verdict.failure for verdict in found]
        return found

    def stitch(self, job: Job) -> int:
        """Join the parts and upload the video, as the stitching container does; its size in bytes."""
        with ThreadPoolExecutor(16) as side, tempfile.TemporaryDirectory() as folder:
            parts = RunParts(self.blobs, job.plan, side, _undivided)
            parts.read_verdicts(Ledger("2026-01-01T00:00:00.000000Z"))
            stitched = resolve(workload(WORKLOAD).stitcher)(
                StitchRequest(
                    run_id=job.run_id,
                    options=OPTIONS,
                    inputs=self.inputs(job.run_id),
                    plan=job.plan,
                    shards=parts.shards,
                    parts=parts,
                    folder=Path(folder),
                )
            )
            upload_outputs(stitched.outputs, Path(folder), job.run_id, self.blobs, side)
            assert stitched.items_published == job.plan.items
            return sum(output.size_bytes for output in stitched.outputs)

    def inputs(self, run_id: str) -> BlobInputFiles:
        """The inputs of a run as files."""
        return BlobInputFiles(self.blobs, BlockCache(self.blobs, SystemClock()), run_id)

    def environment(self, **more: str) -> dict[str, str]:
        """Environment of a process of the worker's."""
        own = {LOCK: str(self.folder / "device.lock"), "WORKER_IDLE_EXIT_S": "3600"}
        return {**os.environ, **self.settings, **own, "PYTHONPATH": str(ROOT), "WORKER_DEVICE": "cpu", **more}


def _undivided(shard: ShardSpec, piece: Piece) -> NoReturn:
    raise AssertionError(f"shard {shard.shard_id} was divided at item {piece.first_item}")


def _shards(inputs: BlobInputFiles) -> Iterator[ShardSpec]:
    with inputs.open(0) as file:
        facts = probe_video(file, inputs.refs[0].name)
    first = 0
    for number, part in enumerate(cut(facts.timeline, GOP)):
        work = VideoWork.of(facts, part).model_dump(mode="json")
        yield ShardSpec(shard_id=number, input_index=0, first_item=first, items=part.frames, work=work)
        first += part.frames


@contextmanager
def bench() -> Iterator[Bench]:
    """Fresh storage in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="dropscore-bench-") as name:
        folder = Path(name)
        with running_azurite(folder / "azurite") as azurite:
            environment = Environment(azurite.settings)
            storages = {
                Account.DATA: read_storage(environment, "DataStorage"),
                Account.SYSTEM: read_storage(environment, "SystemStorage"),
            }
            create_containers_and_queues(storages)
            yield Bench(
                blobs=connect_blobs(storages),
                queue=connect_queue(storages),
                nudges=Messages(azurite.events_url, QueueName.RUN_EVENTS),
                settings=dict(azurite.settings),
                folder=folder,
            )


class Child:
    """A process that is measured."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._log: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from benchmarks.{arguments[0]} import main; main()", *arguments[1:]],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def ask(self, question: str = "") -> Any:
        """The child's next answer, to a question if there is one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if question:
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the child ended: see {self._log.name}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


def worker(bench_: Bench, kind: str, *flags: str, **more: str) -> Child:
    """A worker process with a stand-in scorer (device, network)."""
    return Child(["worker_child", kind, *flags], bench_.environment(**more), bench_.folder / "worker.log")


class Memory:
    """The largest resident set of a process while the block runs, sampled twenty times a second.

    Resident, not proportional: the two are the same for a process that is alone on its machine, and pages of torch's
    libraries that other processes here happen to share count fully on both sides.
    """

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/statm")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak_mib = 0.0

    def _sample(self) -> None:
        while not self._stopped.wait(0.05):
            self.peak_mib = max(self.peak_mib, self.now_mib())

    def now_mib(self) -> float:
        """Resident set now."""
        return int(self._path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
