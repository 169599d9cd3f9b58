"""What the service-defined variables of a pool were, sampling by sampling."""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

CAPACITY = 7200
"""Samplings that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The state of a pool at one moment. Task counts are tasks, not slots; active tasks have their dependencies met."""

    at: datetime
    active_tasks: int = field(metadata={"name": "$ActiveTasks"})
    running_tasks: int = field(metadata={"name": "$RunningTasks"})
    pending_tasks: int = field(metadata={"name": "$PendingTasks"})
    succeeded_tasks: int = field(metadata={"name": "$SucceededTasks"})
    failed_tasks: int = field(metadata={"name": "$FailedTasks"})
    task_slots_per_node: int = field(metadata={"name": "$TaskSlotsPerNode"})
    current_dedicated_nodes: int = field(metadata={"name": "$CurrentDedicatedNodes"})
    current_low_priority_nodes: int = field(metadata={"name": "$CurrentLowPriorityNodes"})
    preempted_nodes: int = field(metadata={"name": "$PreemptedNodeCount"})
    usable_nodes: int = field(metadata={"name": "$UsableNodeCount"})


FIELDS: Mapping[str, str] = {
    item.metadata["name"]: item.name for item in fields(Sampling) if "name" in item.metadata
} | {"$CurrentDedicated": "current_dedicated_nodes", "$CurrentLowPriority": "current_low_priority_nodes"}
"""Variable name to field of a sampling."""

METRICS = frozenset(
    {
        "$CPUPercent",
        "$WallClockSeconds",
        "$MemoryBytes",
        "$DiskBytes",
        "$DiskReadBytes",
        "$DiskWriteBytes",
        "$DiskReadOps",
        "$DiskWriteOps",
        "$NetworkInBytes",
        "$NetworkOutBytes",
    }
)
"""Variables that Azure measures on nodes; here they never have a sample."""


class History:
    """The last samplings of a pool, oldest first, taken every `period`."""

    def __init__(self, *, period: timedelta, begun_at: datetime) -> None:
        self.period = period
        self.begun_at = begun_at
        self._samplings: deque[Sampling] = deque(maxlen=CAPACITY)

    def add(self, sampling: Sampling) -> None:
        """Append the newest sampling."""
        self._samplings.append(sampling)

    def __len__(self) -> int:
        return len(self._samplings)

    def series(self, name: str) -> "Series":
        """The samples of one variable."""
        return Series(history=self, name=name)

    def values(self, name: str) -> Iterator[tuple[datetime, float]]:
        """Time and value of each sample of one variable, oldest first; none for a node metric."""
        if attribute := FIELDS.get(name):
            for sampling in self._samplings:
                yield sampling.at, float(getattr(sampling, attribute))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A sampled variable as formulas see it."""

    history: History
    name: str

    def latest(self, count: int) -> tuple[float, ...]:
        """The last `count` samples, or as many as there are."""
        values = [value for _, value in self.history.values(self.name)]
        return tuple(values[-count:]) if count > 0 else ()

    def between(self, start: datetime, end: datetime) -> tuple[float, ...]:
        """The samples of a time span, both ends included."""
        return tuple(value for at, value in self.history.values(self.name) if start <= at <= end)

    def percent(self, start: datetime, end: datetime) -> float:
        """How many of the samples that belong to a time span there are, in percent.

        The time before the pool's first sampling counts as missing.
        """
        expected = max(1, math.floor((end - start) / self.history.period))
        return min(100.0, 100.0 * len(self.between(start, end)) / expected)
