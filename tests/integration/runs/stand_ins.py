"""What runs beside the Function app, as small as it can be: containers that plan and stitch, and resident workers.

They keep the same order of writes as the real ones: verdict before the message is deleted, index and result last.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.ports import ContainerSpec, QueueMessage
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Failure
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.names import LANE_QUEUES, QueueName, Role
from dropscore.contracts.plan import PlanIndex, RunEvent, ShardMessage, ShardSpec
from dropscore.contracts.receipt import OutputFile, StitchResult
from dropscore.contracts.verdict import Outcome, Verdict, WorkerFacts

ITEMS = 10
PAGE = 1000


@dataclass
class Containers:
    """Carries out `cpu_worker` commands on the twins. `exits` are exit codes to give first, by role."""

    memory: Callable[[], MemoryCloud]
    shards: int = 5
    exits: dict[str, list[int]] = field(default_factory=dict)
    failure: Failure | None = None
    failures: dict[str, Failure] = field(default_factory=dict)
    """By role, for those that fail alone."""
    takes_s: float = 0.0
    carried: list[str] = field(default_factory=list)

    def __call__(self, spec: ContainerSpec) -> int:
        role, run_id = spec.command[3], spec.command[5]
        self.carried.append(role)
        time.sleep(self.takes_s)
        if spec.name not in self.memory().containers.names():
            return 137  # a deleted group's container is killed
        blobs = self.memory().blobs
        if self.exits.get(role):
            return self.exits[role].pop(0)
        if (failure := self.failures.get(role, self.failure)) is not None:
            blobs.put(layout.stage_failure(run_id, Role(role)), encode_bytes(failure))
            return 3
        if role == Role.PLAN:
            self._plan(run_id)
        else:
            self._stitch(run_id)
        news = RunEvent(run_id=run_id, reason=role)
        self.memory().queue.send(QueueName.RUN_EVENTS, encode_bytes(news))
        return 0

    def _plan(self, run_id: str) -> None:
        blobs = self.memory().blobs
        pages = range(0, self.shards, PAGE)
        for number, first in enumerate(pages, start=1):
            shards = range(first, min(first + PAGE, self.shards))
            lines = (
                encode_bytes(ShardSpec(shard_id=shard, input_index=0, first_item=shard * ITEMS, items=ITEMS))
                for shard in shards
            )
            blobs.put(layout.plan_page(run_id, number), b"\n".join(lines))
        index = PlanIndex(
            run_id=run_id,
            shards=self.shards,
            items=self.shards * ITEMS,
            pages=len(pages),
            inputs=(),
            shard_items=ITEMS,
            reason="as said",
        )
        blobs.create(layout.plan_index(run_id), encode_bytes(index))

    def _stitch(self, run_id: str) -> None:
        blobs = self.memory().blobs
        parts = [blobs.get(info.path).data for info in blobs.list(layout.parts_prefix(run_id))]
        done = b"".join(parts)
        blobs.put(layout.output(run_id, "film.txt"), done)
        published = len(parts) * ITEMS
        result = StitchResult(
            run_id=run_id,
            outputs=(
                OutputFile(name="film.txt", sha256=sha256_hex(done), size_bytes=len(done), media_type="text/plain"),
            ),
            items_published=published,
            items_missing=self.shards * ITEMS - published,
        )
        blobs.create(layout.stitch_result(run_id), encode_bytes(result))


class Workers:
    """A resident worker on a thread. `failing` shards fail for good; `dying` ones kill it once each, mid-shard."""

    def __init__(
        self,
        memory: MemoryCloud,
        *,
        takes_s: float = 0.0,
        lease_s: float = 1.0,
        failing: frozenset[int] = frozenset(),
        dying: frozenset[int] = frozenset(),
    ) -> None:
        self.scored: list[int] = []
        self._memory = memory
        self._takes_s = takes_s
        self._lease_s = lease_s
        self._failing = failing
        self._dying = set(dying)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> "Workers":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            messages = [message for queue in LANE_QUEUES.values() for message in self._receive(queue)]
            for message in messages:
                self._handle(message)
            if not messages:
                time.sleep(0.005)

    def _receive(self, queue: QueueName) -> list[QueueMessage]:
        return self._memory.queue.receive(queue, count=8, lease_s=self._lease_s)

    def _handle(self, message: QueueMessage) -> None:
        told = decode(ShardMessage, message.body)
        shard_id, run_id, blobs = told.shard.shard_id, told.run_id, self._memory.blobs
        if shard_id in self._dying:
            self._dying.discard(shard_id)
            return
        marks = (layout.cancel_mark(run_id), layout.suspend_mark(run_id))
        over = any(blobs.head(mark) is not None for mark in marks)  # messages of a suspended run are dropped
        if not over and blobs.head(layout.verdict(run_id, shard_id)) is None:
            time.sleep(self._takes_s)
            self._score(run_id, told.shard)
        self._memory.queue.delete(message)
        self._memory.queue.send(QueueName.RUN_EVENTS, encode_bytes(RunEvent(run_id=run_id, reason="verdict")))

    def _score(self, run_id: str, shard: ShardSpec) -> None:
        failed = shard.shard_id in self._failing
        if not failed:
            data = f"{shard.shard_id}\n".encode()
            self._memory.blobs.put(layout.part(run_id, shard.shard_id, sha256_hex(data), "txt"), data)
        verdict = Verdict(
            run_id=run_id,
            shard_id=shard.shard_id,
            outcome=Outcome.FAILED if failed else Outcome.DONE,
            items_done=0 if failed else shard.items,
            items_failed=shard.items if failed else 0,
            worker=WorkerFacts(worker="w", device="cpu", code_version="0"),
            started_at=self._memory.clock.now(),
            duration_s=0.0,
        )
        counts = {"items_done": str(verdict.items_done), "items_failed": str(verdict.items_failed)}
        path = layout.verdict(run_id, shard.shard_id)
        if self._memory.blobs.create(path, encode_bytes(verdict), metadata=counts):
            self.scored.append(shard.shard_id)
