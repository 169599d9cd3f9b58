"""One leased shard on its way through the worker."""

import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.request import RunPolicy
from dropscore.workloads.base import Item, PartFile, Scorer
from gpu_worker.families import Family
from gpu_worker.leases import Lease
from gpu_worker.loaded import Loaded
from gpu_worker.runs import RunContext


class Stop(StrEnum):
    """Why a shard is not scored to its end by this worker."""

    FAILED = "failed"
    """Something went wrong: `Job.error`."""
    CANCELLED = "cancelled"
    SUSPENDED = "suspended"
    """Nothing is begun for its run now; its shards are put on the queue again when it goes on."""
    SETTLED = "settled"
    """It has a verdict already."""
    DIVIDED = "divided"
    """It was divided before: its pieces are scored instead."""
    LEASE_LOST = "lease_lost"
    LEAVING = "leaving"
    """The worker was told to go."""


class StoppedError(DropscoreError):
    """Raised in every stage of a shard that is to stop."""

    def __init__(self, reason: Stop) -> None:
        super().__init__(f"the shard is not scored on: {reason}")
        self.reason = reason


@dataclass(slots=True)
class ItemTime:
    """Seconds spent on one item by stage, as they come in."""

    fetch_s: float = 0.0
    decode_s: float = 0.0
    preprocess_s: float = 0.0
    predict_s: float = 0.0
    postprocess_s: float = 0.0
    encode_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Batch:
    """Items of one shard that are scored together. `number` counts from 0 inside the shard."""

    number: int
    items: Sequence[Item]
    tensor: Any
    """(N, ...) on the host, as `Scorer.preprocess` gave it."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Its items, 0-based over the run."""
        return tuple(item.index for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """Items that a stage is working on, and the monotonic time at which it will have taken too long."""

    items: tuple[int, ...]
    until: float
    note: int | None
    """Where it stands in the will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What was raised, the items that were being worked on then, and how often they were tried."""

    error: BaseException
    items: tuple[int, ...]
    times: int


class Pending(Protocol):
    """A result that the device may still be working on."""

    def wait(self) -> tuple[Any, float]:
        """The result as a tensor on the host, and the seconds the device spent on it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One leased shard. The stages own their own fields; those marked B belong to the board's lock."""

    lease: Lease
    message: ShardMessage
    started_at: float
    """Monotonic."""
    started_on: str
    """UTC text."""
    context: RunContext | None = None
    family: Family | None = None
    """The pieces that are scored under the same lease; None while it was not divided here."""
    own_deliveries: int = 0
    """Of a piece that is scored under the lease of what it was cut from: how often it was begun; 0 for others."""
    alone: bool = False
    """Whether no other is to be under way with it, because one like it has ended a worker's process."""
    one_by_one: bool = False
    """Whether its items are to be predicted one at a time, so that the one that ends a worker's process is known."""
    apart: frozenset[int] = frozenset()
    """Items of which no other is to be at work with them, because one of them has ended a worker's process."""
    attempts: tuple[Attempt, ...] = ()
    """What earlier tries of these items came to, alone or in what they were cut from."""
    judged: bool = False
    """Whether it is given up by what earlier attempts came to, and was not tried this time."""
    shard: ShardSpec = field(init=False)
    """What is scored: the message's shard, or just the piece of it that is asked for."""
    model: Loaded | None = None
    scorer: Scorer | None = None
    part: PartFile | None = None
    times: dict[int, ItemTime] = field(default_factory=dict)
    megapixels: float = 0.0
    sourced: int = 0
    """Batches that the source has put on the board."""
    setup_s: float = 0.0
    """Opening the source and closing the sink."""
    at_work: dict[str, AtWork] = field(default_factory=dict)
    """What is being worked on right now, by stage."""
    blamed: list[Blame] = field(default_factory=list)
    """What was raised in the middle of work."""

    ready: deque[Batch] = field(default_factory=deque)  # B
    results: dict[int, tuple[Batch, Pending]] = field(default_factory=dict)  # B
    running: int = 0  # B: batches that lanes are predicting
    batches: int | None = None  # B: known when the source has ended
    decoded: bool = False  # B: the first batch is ready
    predicted: int = 0  # B: items predicted
    written: int = 0  # B: batches taken by the sink
    sunk: int = 0  # B: batches the sink is done with
    stages: int = 2  # B: source and sink; 0 when both have ended
    stop: Stop | None = None  # B
    error: BaseException | None = None  # B
    for_source: threading.Condition = field(default_factory=threading.Condition)  # B
    for_sink: threading.Condition = field(default_factory=threading.Condition)  # B

    def __post_init__(self) -> None:
        self.shard = self.message.shard

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.message.run_id

    @property
    def shard_id(self) -> int:
        """The shard's id."""
        return self.message.shard.shard_id

    @property
    def deliveries(self) -> int:
        """How often it was begun, as far as its message knows."""
        return self.own_deliveries or self.lease.message.dequeue_count

    @property
    def items(self) -> range:
        """The items that are scored, 0-based over the run."""
        asked = self.message.range
        return range(asked.first_item, asked.end)

    @property
    def fields(self) -> dict[str, object]:
        """What every log line about this shard says."""
        fields: dict[str, object] = {"run_id": self.run_id, "shard_id": self.shard_id}
        if self.message.piece is not None:
            fields |= {"first_item": self.message.piece.first_item, "items": self.message.piece.items}
        return fields

    @property
    def remaining(self) -> int:
        """Items that no lane has predicted yet; 0 when nothing more will come."""
        if self.stop is not None or (self.batches is not None and not self.ready and not self.running):
            return 0
        return max(1, self.message.range.items - self.predicted)

    def time_of(self, index: int) -> ItemTime:
        """The times of one item."""
        return self.times.setdefault(index, ItemTime())

    @property
    def nearly_done(self) -> bool:
        """Whether all is predicted, and only the rest of encoding and publishing is left."""
        return self.stop is None and self.batches is not None and not self.ready and not self.running

    @property
    def suspects(self) -> tuple[int, ...] | None:
        """The items that the shard's failure is about, () for any of them; None when it is about none."""
        return next((one.items for one in self.blamed if one.error is self.error), None)

    @property
    def tries(self) -> int:
        """How often the items that the shard's failure is about were tried."""
        return next((one.times for one in self.blamed if one.error is self.error), 1)

    @contextmanager
    def working(self, what: str, now: float, items: Collection[int]) -> Iterator[None]:
        """Note that these items are being worked on, together, which may take the run's longest time for an item.

        What is raised meanwhile is blamed on them.
        """
        limit_s = self.context.run.policy.item_deadline_s if self.context else RunPolicy().item_deadline_s
        with self.noting(what, now, items) as note:
            self.at_work[what] = AtWork(items=tuple(items), until=now + limit_s, note=note)
            try:
                yield
            except Exception as error:
                self.blame(error, items)
                raise
            finally:
                del self.at_work[what]

    @contextmanager
    def noting(self, what: str, now: float, items: Collection[int]) -> Iterator[int | None]:
        """Note in the will, and nowhere else, that these items are being worked on."""
        note = self.lease.note.begin(what, range(min(items), max(items) + 1), now)
        try:
            yield note
        finally:
            self.lease.note.finish(note)

    def blame(self, error: BaseException, items: Collection[int], times: int = 1) -> None:
        """Note which items an error is about and how often they were tried; none of them means any of the shard's.
        What is noted first counts.
        """
        self.blamed.append(Blame(error=error, items=tuple(items), times=times))

    def check(self) -> None:
        """Raise `StoppedError` when this shard is to stop."""
        if self.stop is not None:
            raise StoppedError(self.stop)
        if not self.lease.held:
            raise StoppedError(Stop.LEASE_LOST)
