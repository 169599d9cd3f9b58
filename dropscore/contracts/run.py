"""The state of a run: its status words, how one may follow another, and its record in storage."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from dropscore.contracts.base import Count, Json, RunId, Seconds, Stored
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
        """Whether the run is over: nothing follows this status by itself."""
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

KEEP_NO_PARTS = frozenset({RunStatus.SUCCEEDED, RunStatus.CANCELLED})
"""Ends after which a run's parts are deleted. After the others they are kept for another try."""

REWINDS: dict[RunStatus, RunStatus] = {RunStatus.FAILED: RunStatus.PENDING}
"""The one way back: somebody rewinds a failed run, and it walks the way from the beginning once more. It stands apart
from `TRANSITIONS`, so that no orchestration that is late with its news takes it (see `way_to`)."""


def may_follow(current: RunStatus, following: RunStatus) -> bool:
    """Whether `following` may be written over `current`."""
    return following in TRANSITIONS[current] or REWINDS.get(current) is following


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
    failure: Failure | None = None
    """Set when nobody asked for the end: the run fails with it instead of being cancelled."""


class SuspendMark(Stored):
    """`suspend.json`: nothing new is begun for the run while it exists; what is under way is brought to its end."""

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
    worker_s: Seconds = 0.0
    """Seconds in which workers scored for the run, as far as it is known here."""
    detail: str = ""
    """What the run is waiting for, in one sentence."""
    failure: Failure | None = None
    outputs: tuple[str, ...] = ()
    """Blob names below `outputs/<run_id>/`, once published."""
    deadline_s: Seconds | None = None
    """Longest time from `began_at` on, without what it was suspended; None until the request has been read."""
    began_at: str | None = None
    """Storage's time from which the deadline counts, once the run was rewound; else that of `request.json`."""
    suspended_at: str | None = None
    """Storage's time since which the run is suspended; None while it is not."""
    suspended_s: Seconds = 0.0
    """How long the run has been suspended before, since `began_at`."""
    rewinds: Count = 0
    """How often it was rewound."""


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
        "items_failed": str(state.items_failed),
        "source": state.source.kind,
        "tenant": state.source.tenant or "",
        "lane": state.lane or "",
        "deadline": "" if state.deadline_s is None else f"{state.deadline_s:g}",
        "suspended": state.suspended_at or "",
        "worker_s": f"{state.worker_s:.3f}",
    }


def listed_state(run_id: str, metadata: Mapping[str, str]) -> RunState:
    """What a list of runs knows of one, from the metadata of its entry: see `index_metadata`.

    Raises `ContractError` when the entry is not one of ours.
    """
    facts: dict[str, Json] = {
        "run_id": run_id,
        "status": metadata.get("status"),
        "source": {"kind": metadata.get("source"), "tenant": metadata.get("tenant") or None},
        "created_at": metadata.get("created"),
        "updated_at": metadata.get("updated"),
        "workload": metadata.get("workload") or None,
        "lane": metadata.get("lane") or None,
        "suspended_at": metadata.get("suspended") or None,
        "deadline_s": _positive(metadata.get("deadline", "")),
        "worker_s": _positive(metadata.get("worker_s", "")) or 0.0,
    }
    counts: dict[str, Json] = {
        name: int(metadata[name])
        for name in ("items_total", "items_done", "items_failed")
        if metadata.get(name, "").isdecimal()
    }
    return decode(RunState, facts | counts)


def _positive(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?(e\+?\d{1,2})?", text) else None


def stage_seconds(stages: tuple[StageTime, ...], until: str) -> dict[str, float]:
    """Seconds spent in each status, the last one lasting until `until`; 0 where two machines' clocks disagree."""
    moments = [datetime.fromisoformat(at) for at in (*(stage.at for stage in stages), until)]
    spans = (max(0.0, (end - start).total_seconds()) for start, end in pairwise(moments))
    seconds: dict[str, float] = {}
    for stage, span in zip(stages, spans, strict=True):  # a run that was rewound has been in a status before
        seconds[stage.status.value] = seconds.get(stage.status.value, 0.0) + span
    return seconds
