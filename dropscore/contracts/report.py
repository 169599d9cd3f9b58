"""The report of a run: everything its page shows, as data.

Written once by the stitcher (`report.json`); the page and the receipt are made from it, so that two stitchers
at once end in the same bytes. Times are seconds since the run was created unless a field says otherwise.
"""

from dropscore.contracts.base import Contract, Count, Json, RunId, Seconds, Sha256, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.request import ModelRef
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import ItemTiming, Outcome

MAX_REPORT_ITEMS = 10_000
"""Most items whose own timings a report holds; the figures over all items count every one."""

MAX_REPORT_SHARDS = 5_000
"""Most shards that a report lists one by one."""

SLOWEST_ITEMS = 10


class StageSpan(Contract):
    """How long the run was in one status."""

    status: RunStatus
    start_s: Seconds
    duration_s: Seconds


class StepFigures(Contract):
    """Seconds an item spent in one step of the worker, over all items that were timed."""

    step: str
    """`fetch`, `decode`, `preprocess`, `predict`, `postprocess` or `encode`."""
    total_s: Seconds
    mean_s: Seconds
    median_s: Seconds
    p95_s: Seconds
    most_s: Seconds


class ShardLine(Contract):
    """One shard as its verdict tells it."""

    shard_id: Count
    first_item: Count
    items: Count
    outcome: Outcome
    attempt: Count
    worker: str
    start_s: Seconds
    duration_s: Seconds
    upload_s: Seconds = 0.0
    model_load_s: Seconds = 0.0


class WorkerLine(Contract):
    """What one worker did for this run."""

    worker: str
    device: str
    shards: Count
    items: Count
    busy_s: Seconds
    """Sum over its shards; above the wall time where it scores several side by side."""
    model_loads: Count
    code_version: str
    torch_version: str | None = None
    precision: str | None = None
    memory_format: str | None = None


class InputLine(Contract):
    """One input as admitted and as the planner found it. `first_item` counts over the whole run."""

    name: str
    etag: str
    size_bytes: Count
    sha256: Sha256 | None
    first_item: Count
    items: Count
    facts: dict[str, Json] = {}
    notes: tuple[str, ...] = ()


class Report(Stored):
    """`report.json`."""

    run_id: RunId
    status: RunStatus
    """How the run ends, as far as its outputs decide it."""
    workload: str
    workload_title: str
    note: str = ""
    created_at: str
    finished_at: str
    duration_s: Seconds
    stages: tuple[StageSpan, ...] = ()
    inputs: tuple[InputLine, ...] = ()
    outputs: tuple[OutputFile, ...] = ()
    options: dict[str, Json] = {}
    options_digest: Sha256
    model: ModelRef | None = None
    replay_of: RunId | None = None
    """The run whose good results were kept; only what failed there was scored again."""
    items_kept: Count = 0
    """Items whose result is that run's."""
    code_version: str
    items_total: Count
    items_published: Count
    items_missing: Count = 0
    items_timed: Count = 0
    steps: tuple[StepFigures, ...] = ()
    slowest: tuple[ItemTiming, ...] = ()
    items: tuple[ItemTiming, ...] = ()
    """The first `MAX_REPORT_ITEMS`, in order."""
    shards_total: Count = 0
    shard_items: Count = 0
    shard_reason: str = ""
    shards: tuple[ShardLine, ...] = ()
    """The first `MAX_REPORT_SHARDS`, in order."""
    workers: tuple[WorkerLine, ...] = ()
    retries: Count = 0
    """Deliveries beyond the first, over all shards."""
    failures: tuple[Failure, ...] = ()
    """Refused inputs first, then failed shards."""
    notes: tuple[str, ...] = ()
    metrics: dict[str, Json] = {}
