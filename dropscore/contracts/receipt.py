"""What a finished run leaves behind: the manifest of its outputs and its receipt."""

from dropscore.contracts.base import Contract, Count, Json, RunId, Seconds, Sha256, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.request import InputRef, ModelRef
from dropscore.contracts.run import RunStatus


class OutputFile(Contract):
    """One published file. `name` is relative to `outputs/<run_id>/`."""

    name: str
    sha256: Sha256
    size_bytes: Count
    media_type: str
    title: str = ""
    facts: dict[str, Json] = {}


class StitchResult(Stored):
    """`stitch.json`: written last by the stitcher; the outputs it names lie in the staging prefix."""

    run_id: RunId
    outputs: tuple[OutputFile, ...]
    items_published: Count
    items_missing: Count = 0
    failures: tuple[Failure, ...] = ()
    """What could not be done: inputs that were refused, then items that failed for good."""
    notes: tuple[str, ...] = ()
    metrics: dict[str, Json] = {}
    duration_s: Seconds = 0.0


class OutputManifest(Stored):
    """`outputs/<run_id>/manifest.json`: the one write that publishes. No manifest, no outputs."""

    run_id: RunId
    status: RunStatus
    outputs: tuple[OutputFile, ...]
    items_published: Count
    items_total: Count
    coverage: float
    """Share of the items that are published, 0 to 1."""
    failures: tuple[Failure, ...] = ()
    """What could not be done: inputs that were refused, then items that failed for good."""
    notes: tuple[str, ...] = ()


class Receipt(Stored):
    """`receipt.json`: what was done to what, with what, by whom, and how long it took."""

    run_id: RunId
    status: RunStatus
    workload: str | None
    created_at: str
    finished_at: str
    duration_s: Seconds
    stages: dict[str, float] = {}
    """Seconds spent in each status."""
    inputs: tuple[InputRef, ...] = ()
    input_digests: dict[str, Sha256] = {}
    options: dict[str, Json] = {}
    options_digest: Sha256 | None = None
    model: ModelRef | None = None
    replay_of: RunId | None = None
    """The run whose good results were kept; only what failed there was scored again."""
    items_kept: Count = 0
    """Items whose result is that run's."""
    code_version: str
    outputs: tuple[OutputFile, ...] = ()
    items_total: Count = 0
    items_published: Count = 0
    items_missing: Count = 0
    coverage: float = 0.0
    """Share of the items that are published, 0 to 1."""
    retries: Count = 0
    worker_s: Seconds = 0.0
    """Time that workers spent on the shards that count."""
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    metrics: dict[str, Json] = {}
