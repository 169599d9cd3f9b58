"""What was put aside: shards that failed for good, and messages that are none of ours."""

from dropscore.contracts.base import Count, RunId, Sha256, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.plan import Piece, ShardSpec
from dropscore.contracts.verdict import WorkerFacts


class Attempt(Stored):
    """`attempts/...`: one try of a shard or piece that did not give a verdict.

    `at_work` are the items that stages were working on when it ended, none when that is not known; `stage` names what
    they were doing; `signal` is the signal that killed the process (such as `SIGSEGV`), if one did.
    """

    run_id: RunId
    shard_id: Count
    range: Piece
    delivery: Count
    """Delivery count of the message."""
    at: str
    worker: WorkerFacts
    failure: Failure
    at_work: tuple[Count, ...] = ()
    times: Count = 1
    """How often the items at work were tried in this delivery: what raises in a batch is tried once more, alone."""
    stage: str | None = None
    death: bool = False
    """Whether the worker's process ended with it."""
    signal: str | None = None


class Split(Stored):
    """`splits/...`: a shard or piece that was divided, written before the messages of its pieces are sent."""

    run_id: RunId
    shard_id: Count
    range: Piece
    pieces: tuple[Piece, ...]
    """In order, without gap or overlap; two or more."""
    failure: Failure
    """Why it was divided."""
    tries: Count = 1
    """How often it was tried as a whole."""
    cut_from: Piece | None = None
    """What the piece that was divided had been cut from itself; None for a whole shard."""
    at: str


class Quarantined(Stored):
    """`quarantine/0000120-1.json`: a piece with a failed verdict, as it was asked for.

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
    piece: Piece | None = None
    """The items that are put aside; all of the shard's when None."""
    tries: tuple[Attempt, ...] = ()
    """Every attempt on record, of this piece and of what it was cut from, oldest first."""

    @property
    def range(self) -> Piece:
        """The items that are put aside."""
        return self.piece or Piece.of(self.shard)


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
