"""The state of a run: its status words, how one may follow another, and its record in storage."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from dropscore.contracts.base import Count, Json, RunId, Stored
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import Lane
from dropscore.contracts.request import RunRecord, RunSource


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


def way_to(current: RunStatus, following: RunStatus) -> tuple[RunStatus, ...]:
    """The statuses to pass from `current` to `following`, the last included, along `TRANSITIONS`.

    The shortest way; empty when `following` is `current` or lies behind it, so that nothing is to be written.
    """
    ways: list[tuple[RunStatus, ...]] = [(step,) for step in sorted(TRANSITIONS[current])]
    for way in ways:  # grows while it is walked: breadth first
        if way[-1] is following:
            return way
        ways += [(*way, step) for step in sorted(TRANSITIONS[way[-1]])]
    return ()


class Rejection(Stored):
    """`rejected/<trigger name>`: why a trigger file was refused."""

    trigger: str
    run_id: RunId | None
    """None when no run came to exist, because the trigger could not be read."""
    at: str
    failures: tuple[Failure, ...]


class CancelMark(Stored):
    """`cancel.json`: whoever works for the run stops. Its existence is what counts."""

    run_id: RunId
    at: str
    reason: str = ""


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


def pending(record: RunRecord) -> RunState:
    """The state of a run that nobody has looked at yet."""
    return RunState(
        run_id=record.run_id,
        status=RunStatus.PENDING,
        source=record.source,
        created_at=record.created_at,
        updated_at=record.created_at,
        stages=(StageTime(status=RunStatus.PENDING, at=record.created_at),),
    )


def index_metadata(state: RunState) -> dict[str, str]:
    """The metadata of `_index/<run_id>`: what a list of runs shows, without reading any of them."""
    return {
        "status": state.status,
        "workload": state.workload or "",
        "created": state.created_at,
        "updated": state.updated_at,
        "items_total": str(state.items_total),
        "items_done": str(state.items_done),
        "source": state.source.kind,
        "lane": state.lane or "",
    }


def listed_state(run_id: str, metadata: Mapping[str, str]) -> RunState:
    """What a list of runs knows of one, from the metadata of its entry: see `index_metadata`.

    Raises `ContractError` when the entry is not one of ours.
    """
    facts: dict[str, Json] = {
        "run_id": run_id,
        "status": metadata.get("status"),
        "source": {"kind": metadata.get("source")},
        "created_at": metadata.get("created"),
        "updated_at": metadata.get("updated"),
        "workload": metadata.get("workload") or None,
        "lane": metadata.get("lane") or None,
    }
    counts: dict[str, Json] = {
        name: int(metadata[name]) for name in ("items_total", "items_done") if metadata.get(name, "").isdecimal()
    }
    return decode(RunState, facts | counts)


def stage_seconds(stages: tuple[StageTime, ...], until: str) -> dict[str, float]:
    """Seconds spent in each status, the last one lasting until `until`; 0 where two machines' clocks disagree."""
    moments = [datetime.fromisoformat(at) for at in (*(stage.at for stage in stages), until)]
    spans = (max(0.0, (end - start).total_seconds()) for start, end in pairwise(moments))
    return {stage.status.value: span for stage, span in zip(stages, spans, strict=True)}
