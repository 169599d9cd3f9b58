"""Runs as the API shows them."""

from typing import Annotated

from pydantic import Field

from dropscore.contracts.base import Contract, Count, Json, RunId, Seconds
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import Lane
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunStatus, StageTime


class Progress(Contract):
    """How far a run is. `rate_per_s` and `eta_s` are null until enough of it is scored to tell."""

    items_total: Count
    items_done: Count
    items_failed: Count
    percent: Annotated[float, Field(ge=0, le=100)]
    rate_per_s: Seconds | None = None
    """Items a second."""
    eta_s: Seconds | None = None
    """Seconds until the last item is scored, as far as the rate so far tells."""


class Cost(Contract):
    """What a run has cost so far: the time of workers, and, where a price is configured, an estimate in money."""

    worker_s: Seconds
    """Seconds in which workers scored for it, over all workers."""
    price_per_hour: float | None = None
    currency: str | None = None
    estimate: float | None = None


class RunDocument(Contract):
    """One run: how it stands, and where to read on. Times are UTC, ISO 8601; `stage_times` are seconds by status."""

    schema_version: int = 1
    run_id: RunId
    status: RunStatus
    source: RunSource
    created_at: str
    updated_at: str
    workload: str | None = None
    lane: Lane | None = None
    note: str = ""
    stages: tuple[StageTime, ...] = ()
    stage_times: dict[str, Seconds] = {}
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
    deadline_s: Seconds | None = None
    began_at: str | None = None
    suspended_at: str | None = None
    suspended_s: Seconds = 0.0
    rewinds: Count = 0
    progress: Progress | None = None
    cost: Cost | None = None
    """In the answer to what was done to a run it is null."""
    tenant: str | None = None
    """Whose run it is, where tenants are configured."""
    links: dict[str, str]
    """Addresses of the run, and of what may be done to it now."""
    documents: dict[str, str]
    """Blobs that tell more of it, as `<container>/<name>`."""


class RunPage(Contract):
    """Runs, newest first."""

    runs: tuple[RunDocument, ...]
    next: str | None
    """Pass it as `after` for the next page; null on the last one."""
    next_link: str | None = None
    """The whole address of the next page; null on the last one."""


class QuarantinePage(Contract):
    """What failed for good in a run, in the order of items."""

    run_id: RunId
    quarantined: tuple[dict[str, Json], ...]
    """`Quarantined` documents: the items, why, and every attempt at them."""
    next: str | None


class Deletion(Contract):
    """What came of asking for a run's deletion."""

    run_id: RunId
    deleted: bool
    """False: the sweep does the rest."""
