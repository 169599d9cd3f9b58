"""The state of a run: its status words, how one may follow another, and its record in storage."""

from enum import StrEnum

from dropscore.contracts.base import Count, RunId, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import Lane
from dropscore.contracts.request import RunSource


class RunStatus(StrEnum):
    """The same words in the CLI, the page, the API and events."""

    PENDING = "pending"
    """Known, not looked at yet."""
    PLANNING = "planning"
    PROVISIONING = "provisioning"
    """Shards are being put on the queue and workers are coming; nothing is scored yet."""
    SCORING = "scoring"
    STITCHING = "stitching"
    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_GAPS = "succeeded_with_gaps"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def ended(self) -> bool:
        """Whether nothing follows this status."""
        return not TRANSITIONS[self]


_ENDINGS = frozenset({RunStatus.FAILED, RunStatus.CANCELLED})

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset({RunStatus.PLANNING, RunStatus.REJECTED}) | _ENDINGS,
    RunStatus.PLANNING: frozenset({RunStatus.PROVISIONING}) | _ENDINGS,
    RunStatus.PROVISIONING: frozenset({RunStatus.SCORING, RunStatus.STITCHING}) | _ENDINGS,
    RunStatus.SCORING: frozenset({RunStatus.STITCHING}) | _ENDINGS,
    RunStatus.STITCHING: frozenset({RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS}) | _ENDINGS,
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.SUCCEEDED_WITH_GAPS: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.REJECTED: frozenset(),
}
"""Status to the statuses that may follow it. A restarted orchestration walks the same way again, so writing
a status that is behind the stored one changes nothing (see `may_follow`)."""


def may_follow(current: RunStatus, following: RunStatus) -> bool:
    """Whether `following` may be written over `current`."""
    return following in TRANSITIONS[current]


class Rejection(Stored):
    """`rejected/<trigger name>`: why a trigger file was refused."""

    trigger: str
    run_id: RunId | None
    """None when no run came to exist, because the trigger could not be read."""
    at: str
    failures: tuple[Failure, ...]


class StageTime(Stored):
    """When a run entered a status."""

    status: RunStatus
    at: str


class RunState(Stored):
    """`state.json`: what a reader needs to show one run. Rewritten with If-Match at each change of status or
    progress; the counts only grow.
    """

    run_id: RunId
    status: RunStatus
    source: RunSource
    created_at: str
    updated_at: str
    workload: str | None = None
    lane: Lane | None = None
    note: str = ""
    stages: tuple[StageTime, ...] = ()
    items_total: Count = 0
    items_done: Count = 0
    items_failed: Count = 0
    shards_total: Count = 0
    shards_settled: Count = 0
    workers: Count = 0
    detail: str = ""
    """What the run is waiting for, in one sentence."""
    failure: Failure | None = None
    outputs: tuple[str, ...] = ()
    """Blob names below `outputs/<run_id>/`, once published."""
