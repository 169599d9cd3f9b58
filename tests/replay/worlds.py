"""Worlds for the orchestrators: what the activities would answer, in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from driving import World

from dropscore.contracts.base import Contract
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import Lane
from dropscore.contracts.orchestration import (
    Admission,
    CleanedUp,
    ContainerCheck,
    ContainerEnd,
    ContainerPhase,
    Enqueued,
    Finish,
    PlanTotals,
    Requeued,
    RunEnd,
    RunRef,
    ScoreEnd,
    VerdictCount,
    WorkersSeen,
)
from dropscore.contracts.request import RunPolicy

RUN = "run-1"
POLICY = RunPolicy(stall_s=10.0, stall_limit=3, lease_s=4.0, max_workers=4)


def run_world(**others: Callable[[dict[str, Any], float], Contract]) -> World:
    """A world in which a run of 3 shards and 30 items succeeds, but for `others`."""
    answers: dict[str, Callable[[dict[str, Any], float], Contract]] = {
        "admit": lambda _, at: Admission(run_id=RUN, lane=Lane.URGENT, policy=POLICY),
        "record_status": lambda _, at: RunRef(run_id=RUN),
        "run_container": lambda _, at: ContainerEnd(ok=True),
        "read_plan": lambda _, at: PlanTotals(shards=3, items=30),
        "score_shards": lambda _, at: ScoreEnd(items_done=30, items_failed=0),
        "finish": lambda told, at: finished(told),
        "clean_up": lambda _, at: CleanedUp(done=True),
    }
    return World(answers=answers | others)


def finished(told: dict[str, Any]) -> RunEnd:
    """What `finish` answers when it does as told."""
    finish = decode(Finish, told)
    return RunEnd(run_id=finish.run_id, status=finish.status, failure=finish.failure, coverage=1.0)


@dataclass
class Containers:
    """A container that goes through the phases of a script: one list for each attempt, one phase for each look."""

    attempts: list[list[ContainerPhase]]
    product_at_s: float = float("inf")
    product_after: tuple[int, ContainerPhase] | None = None
    """The product appears once this attempt is seen in this phase."""
    cancelled_at_s: float = float("inf")
    failure: Failure | None = None
    suspended_s: tuple[float, float] = (float("inf"), float("inf"))
    """From when until when the run is suspended."""
    _ready: bool = False
    _started: dict[int, int] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)

    def world(self, **more: Any) -> World:
        return World(
            answers={"check_container": self.check, "start_container": self.start, "remove_container": self.remove},
            **more,
        )

    def check(self, ref: dict[str, Any], at: float) -> ContainerCheck:
        phase = self._phase(ref["attempt"])
        if self.product_after == (ref["attempt"], phase):
            self._ready = True
        return ContainerCheck(
            phase=phase,
            product_ready=self._ready or at >= self.product_at_s,
            cancelled=at >= self.cancelled_at_s,
            suspended=_within(at, self.suspended_s),
            exit_code=1 if phase is ContainerPhase.FAILED else None,
            failure=self.failure if phase is ContainerPhase.FAILED else None,
        )

    def start(self, ref: dict[str, Any], at: float) -> RunRef:
        self._started[ref["attempt"]] = 0
        return RunRef(run_id=RUN)

    def remove(self, ref: dict[str, Any], at: float) -> RunRef:
        self.removed.append(ref["attempt"])
        return RunRef(run_id=RUN)

    def _phase(self, attempt: int) -> ContainerPhase:
        if attempt not in self._started:
            return ContainerPhase.MISSING
        script = self.attempts[attempt - 1]
        look = min(self._started[attempt], len(script) - 1)
        self._started[attempt] += 1
        return script[look]


@dataclass
class Shards:
    """A queue of shards of 10 items each, and workers that settle them at a steady pace."""

    shards: int
    pace_s: float = 0.0
    """Seconds from one verdict to the next; the first one comes after as long."""
    page: int = 1000
    """Shards that one call can put on the queue."""
    from_s: float = 0.0
    """When the workers begin."""
    lost: range = range(0)
    """Shards whose messages get lost the first time."""
    failing: range = range(0)
    running: int = 1
    suspended_s: tuple[float, float] = (float("inf"), float("inf"))
    """From when until when the run is suspended. Workers drop what is not settled by then."""
    cancelled_at_s: float = float("inf")
    enqueued: int = 0
    again: list[tuple[int, float]] = field(default_factory=list)
    """Shards put on the queue again, and when."""
    counts: int = 0
    workers_wanted: list[dict[str, Any]] = field(default_factory=list)

    def world(self, **more: Any) -> World:
        return World(
            answers={
                "enqueue_shards": self.enqueue,
                "ensure_workers": self.ensure,
                "count_verdicts": self.count,
                "requeue_missing": self.requeue,
            },
            **more,
        )

    def enqueue(self, asked: dict[str, Any], at: float) -> Enqueued:
        self.enqueued = max(self.enqueued, min(asked["next_shard"] + self.page, asked["shards"]))
        return Enqueued(next_shard=self.enqueued)

    def ensure(self, asked: dict[str, Any], at: float) -> WorkersSeen:
        self.workers_wanted.append(asked)
        return WorkersSeen(running=self.running, waiting=0, detail="" if self.running else "quota is 0")

    def settled(self, at: float) -> list[int]:
        """Ids of the shards that have a verdict at this time."""
        if at < self.from_s or not self.running:
            return []
        reached = self.shards if self.pace_s == 0 else int((min(at, self.suspended_s[0]) - self.from_s) / self.pace_s)
        first = [shard for shard in range(min(reached, self.enqueued)) if shard not in self.lost]
        dropped = range(reached, self.shards) if at >= self.suspended_s[0] else range(0)
        again = [(shard, since) for shard, since in self.again if shard in self.lost or shard in dropped]
        recovered = [shard for shard, since in again if at >= since + self.pace_s]
        return sorted({*first, *recovered})

    def count(self, asked: dict[str, Any], at: float) -> VerdictCount:
        self.counts += 1
        settled = self.settled(at)
        known = set(settled)
        before = asked["settled_before"]
        while before in known:
            before += 1
        failed = sum(10 for shard in settled if shard in self.failing)
        failed_before = sum(10 for shard in settled if shard in self.failing and shard < before)
        return VerdictCount(
            settled=len(settled),
            items_done=10 * len(settled) - failed,
            items_failed=failed,
            settled_before=before,
            items_before=10 * before - failed_before,
            failed_before=failed_before,
            cancelled=at >= self.cancelled_at_s,
            suspended=_within(at, self.suspended_s),
            queue_empty=asked["lane"] is not None and self._queue_empty(known),
        )

    def requeue(self, asked: dict[str, Any], at: float) -> Requeued:
        missing = [shard for shard in range(asked["next_shard"], asked["shards"]) if shard not in set(self.settled(at))]
        sent = missing[: self.page]
        self.again += [(shard, at) for shard in sent]
        after = asked["shards"] if len(sent) == len(missing) else sent[-1] + 1
        return Requeued(shards=len(sent), next_shard=after)

    def _queue_empty(self, known: set[int]) -> bool:
        waiting = set(range(self.enqueued)) - known - set(self.lost)
        again = {shard for shard, _ in self.again} - known
        return not waiting and not again


def _within(at: float, span: tuple[float, float]) -> bool:
    return span[0] <= at < span[1]
