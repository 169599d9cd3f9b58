"""A worker in this process over storage in memory, and runs of the toy workload for it."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from toy_workload import ITEM_BYTES, TOY, ToyOptions

from dropscore.cloud.json_log import JsonLines
from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.ports import BlobStore, MessageQueue
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.identity import digest
from dropscore.contracts.names import LANE_QUEUES, ContainerName, Lane
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.request import AdmittedRun, InputRef, RunPolicy
from dropscore.contracts.verdict import Verdict
from dropscore.workloads.base import WorkloadDefinition
from gpu_worker.compose import compose_scoring
from gpu_worker.desk import compose_desk
from gpu_worker.exits import Exit
from gpu_worker.run_logs import RunLogs
from gpu_worker.sides import Scoring
from gpu_worker.worker import Worker


def item(first: int, rest: int = 7) -> bytes:
    """One item whose first byte is `first`."""
    return bytes([first]) + bytes([rest]) * (ITEM_BYTES - 1)


def scored(data: bytes) -> bytes:
    """What scoring makes of items."""
    return bytes(255 - byte for byte in data)


class Storage(Protocol):
    """Where runs are put: the twins or the emulator."""

    @property
    def blobs(self) -> BlobStore: ...
    @property
    def queue(self) -> MessageQueue: ...


class Runs:
    """Puts runs of the toy workload into storage, as admission and planning would."""

    def __init__(self, cloud: Storage) -> None:
        self._cloud = cloud

    def admit(
        self, run_id: str, data: bytes, *, policy: RunPolicy | None = None, options: ToyOptions | None = None
    ) -> None:
        """A run on one input of these bytes."""
        options = options or ToyOptions()
        blobs = self._cloud.blobs
        etag = blobs.put(layout.input_file(f"{run_id}.bin"), data)
        run = AdmittedRun(
            run_id=run_id,
            workload="toy",
            options=encode(options),
            model=None,
            lane=Lane.NORMAL,
            policy=policy or RunPolicy(),
            input_count=1,
            input_bytes=len(data),
            options_digest=digest(options),
        )
        blobs.create(layout.admission(run_id), encode_bytes(run))
        ref = InputRef(name=f"{run_id}.bin", etag=etag, size_bytes=len(data))
        blobs.create(layout.inputs(run_id), encode_bytes(ref) + b"\n")

    def send(
        self, run_id: str, items: int, *, shard_items: int, lane: Lane = Lane.NORMAL, only: Sequence[int] | None = None
    ) -> int:
        """Messages for the shards of a run (those of `only`); returns how many shards there are."""
        shards = [
            ShardSpec(
                shard_id=number,
                input_index=0,
                first_item=first,
                items=min(shard_items, items - first),
                work={"offset": first * ITEM_BYTES},
            )
            for number, first in enumerate(range(0, items, shard_items))
        ]
        for shard in shards:
            if only is None or shard.shard_id in only:
                self._cloud.queue.send(LANE_QUEUES[lane], encode_bytes(ShardMessage(run_id=run_id, shard=shard)))
        return len(shards)

    def start(self, run_id: str, data: bytes, *, shard_items: int, **admission: object) -> int:
        """A run with all its messages."""
        self.admit(run_id, data, **admission)  # type: ignore[arg-type]
        return self.send(run_id, len(data) // ITEM_BYTES, shard_items=shard_items)

    def verdict(self, run_id: str, shard_id: int) -> Verdict | None:
        """The verdict of a shard, if there is one."""
        return self._read(layout.verdict(run_id, shard_id), lambda data: decode(Verdict, data))

    def verdicts(self, run_id: str, shards: int) -> list[Verdict]:
        """All verdicts there are."""
        found = (self.verdict(run_id, shard_id) for shard_id in range(shards))
        return [verdict for verdict in found if verdict is not None]

    def output(self, run_id: str, shards: int) -> bytes:
        """All parts, one after the other; items without a result are left out."""
        data = b""
        for verdict in self.verdicts(run_id, shards):
            parts = [one.part for one in verdict.pieces] if verdict.pieces else [verdict.part]
            for part in parts:
                if part is not None:
                    data += self._read(layout.BlobPath(ContainerName.RUNS, part.path), bytes) or b""
        return data

    def _read[T](self, path: layout.BlobPath, made: Callable[[bytes], T]) -> T | None:
        try:
            return made(self._cloud.blobs.get(path).data)
        except NotFoundError:
            return None


class RunningWorker:
    """A worker on a thread of its own."""

    def __init__(
        self,
        cloud: MemoryCloud,
        *,
        name: str = "w1",
        idle_exit_s: float = 60.0,
        lanes: int = 2,
        definition: WorkloadDefinition = TOY,
    ) -> None:
        logs = self._logs = RunLogs(name)
        logs.setFormatter(JsonLines(worker=name))
        logging.getLogger("gpu_worker").addHandler(logs)
        self.desk = compose_desk(cloud.blobs, cloud.queue, cloud.clock, logs)
        self.worker = Worker(self.desk, idle_exit_s=idle_exit_s)
        self.scoring: Scoring = compose_scoring(
            self.desk, self.worker.ended, name=name, device="cpu", lanes=lanes, find_workload=lambda _: definition
        )
        self._coming = Future[Scoring]()
        self._coming.set_result(self.scoring)
        self.exit: Exit | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.exit = self.worker.run(self._coming)

    def stop(self, why: Exit = Exit.TERMINATED) -> Exit | None:
        """Have it leave, and wait until it has."""
        self.worker.leave(why)
        self.join()
        return self.exit

    def join(self, within_s: float = 40.0) -> None:
        """Wait until it has left."""
        self._thread.join(within_s)
        logging.getLogger("gpu_worker").removeHandler(self._logs)
        assert not self._thread.is_alive()
