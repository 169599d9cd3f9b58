"""The verdict: the small JSON written last for a shard. No verdict, no work done."""

from enum import StrEnum

from dropscore.contracts.base import Contract, Count, Json, RunId, Seconds, Sha256, Stored
from dropscore.contracts.failures import Failure


class Outcome(StrEnum):
    """How a shard ended."""

    DONE = "done"
    FAILED = "failed"
    SPLIT = "split"


class PartRef(Contract):
    """What one shard produced: a blob in `runs/`, named after its content, so a second writer makes the same."""

    path: str
    sha256: Sha256
    size_bytes: Count
    media_type: str


class ItemTiming(Contract):
    """Seconds spent on one item, by stage. Waiting between stages is not counted.

    `item` is the 0-based index over the whole run. `fetch_s` is the item's share of reading its input.
    """

    item: Count
    fetch_s: Seconds = 0.0
    decode_s: Seconds = 0.0
    preprocess_s: Seconds = 0.0
    predict_s: Seconds = 0.0
    postprocess_s: Seconds = 0.0
    encode_s: Seconds = 0.0


class WorkerFacts(Contract):
    """Who scored a shard, and on what."""

    worker: str
    device: str
    """Such as `cpu (AMD EPYC, 2 lanes)` or `cuda:0 (NVIDIA A100-SXM4-80GB)`."""
    code_version: str
    torch_version: str | None = None
    precision: str | None = None
    memory_format: str | None = None


class PieceResult(Contract):
    """How a piece of a divided shard ended."""

    first_item: Count
    items: Count
    outcome: Outcome
    """Done or failed."""
    part: PartRef | None = None
    failure: Failure | None = None
    metrics: dict[str, Json] = {}


class Verdict(Stored):
    """`verdicts/000042.json`. First writer wins; whoever comes second discards its own work."""

    run_id: RunId
    shard_id: Count
    outcome: Outcome
    items_done: Count
    items_failed: Count = 0
    part: PartRef | None = None
    failure: Failure | None = None
    attempt: Count = 1
    """Delivery count of the message that was worked on; more than 1 means a retry."""
    model_digest: Sha256 | None = None
    worker: WorkerFacts
    started_at: str
    duration_s: Seconds
    upload_s: Seconds = 0.0
    model_load_s: Seconds = 0.0
    """0 when the model was in the worker's cache."""
    items: tuple[ItemTiming, ...] = ()
    metrics: dict[str, Json] = {}
    """The workload's own measurements of this shard, such as temporal flicker."""
    scored_for: RunId | None = None
    """The run that paid for this work, where it is another one: a replay keeps the good results of the first run."""
    items_kept: Count = 0
    """Of `items_done`, those that another run paid for."""
    pieces: tuple[PieceResult, ...] = ()
    """Of a shard that was divided (outcome split): its pieces in order, without gap or overlap."""
