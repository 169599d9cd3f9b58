"""What was put aside: shards that failed for good, and messages that are none of ours."""

from dropscore.contracts.base import Count, RunId, Sha256, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.verdict import WorkerFacts


class Quarantined(Stored):
    """`quarantine/000042.json`: a shard with a failed verdict, as it was asked for.

    `failure.item` names the guilty item where it is known; `failure.detail` holds the traceback of a bug.
    """

    run_id: RunId
    shard: ShardSpec
    input: str
    """Name of the (first) input blob; empty when the run could not be read."""
    failure: Failure
    attempts: Count
    """Deliveries of the shard's message, this one included."""
    model_digest: Sha256 | None = None
    worker: WorkerFacts
    at: str


class PoisonedMessage(Stored):
    """A message of a `-poison` queue: one that could not be decoded, and why."""

    queue: str
    """Where it was found."""
    reason: str
    body: str
    """Its beginning, decoded as UTF-8 with replacement."""
    body_bytes: Count
    """Its full size."""
    worker: str
    at: str
