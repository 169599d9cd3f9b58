"""Attempts on a shard or piece that gave no verdict: one small record each, by which it is decided what comes next."""

from collections.abc import Collection
from dataclasses import dataclass

from dropscore.cloud.ports import BlobInfo, BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.base import Sha256
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Failure
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import Piece, ShardMessage
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.verdict import WorkerFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A leased shard or piece that was worked on, for what is written down about it.

    `queue`, `message_id` and `delivery` are the leased message's. `input` is the name of the (first) input blob,
    empty when the run could not be read.
    """

    queue: QueueName
    message_id: str
    delivery: int
    message: ShardMessage
    worker: WorkerFacts
    started_at: str
    duration_s: float = 0.0
    input: str = ""
    model_digest: Sha256 | None = None

    @property
    def fields(self) -> dict[str, object]:
        """What every log line about it says."""
        asked = self.message.range
        fields: dict[str, object] = {"run_id": self.message.run_id, "shard_id": self.message.shard.shard_id}
        if asked != Piece.of(self.message.shard):
            fields |= {"first_item": asked.first_item, "items": asked.items}
        return fields


class Attempts:
    """Writes and reads attempts. Every method raises what storage does."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock

    def record(
        self,
        tried: Tried,
        failure: Failure,
        *,
        at_work: Collection[int] = (),
        times: int = 1,
        stage: str | None = None,
        death: bool = False,
        signal: str | None = None,
    ) -> Attempt:
        """Write down that this delivery gave no verdict. Of the same delivery the first record stands.

        `at_work` are the items that were being worked on, `times` times; none means that this is not known.
        """
        message = tried.message
        attempt = Attempt(
            run_id=message.run_id,
            shard_id=message.shard.shard_id,
            range=message.range,
            delivery=tried.delivery,
            at=self._clock.now(),
            worker=tried.worker,
            failure=failure,
            at_work=tuple(sorted(at_work)),
            times=times,
            stage=stage,
            death=death,
            signal=signal,
        )
        name = f"{message.generation:04d}-{tried.delivery:04d}-{tried.message_id}"
        path = layout.attempt(message.run_id, message.shard.shard_id, message.range, name)
        about = _hull(attempt)
        metadata = {"first_item": str(about.first_item), "items": str(about.items)}
        self._blobs.create(path, encode_bytes(attempt), metadata=metadata)
        return attempt

    def on(self, message: ShardMessage) -> tuple[Attempt, ...]:
        """The attempts that say something of these items, whatever they were part of then; oldest first.

        Of a shard of many bad items most attempts are about others: they are known by their metadata, and not read.
        """
        found = self._blobs.list(layout.attempts_prefix(message.run_id, message.shard.shard_id), with_metadata=True)
        near = [info.path for info in found if _may_concern(info, message.range)]
        attempts = [self._read(path) for path in near]
        return tuple(sorted((one for one in attempts if concerns(one, message.range)), key=lambda one: one.at))

    def _read(self, path: BlobPath) -> Attempt:
        return decode(Attempt, self._blobs.get(path).data)


def concerns(attempt: Attempt, piece: Piece) -> bool:
    """Whether an attempt says something of these items: they were at work when it ended, or it is not known which."""
    if attempt.at_work:
        return any(item in piece for item in attempt.at_work)
    return _overlap(attempt.range, piece)


def _hull(attempt: Attempt) -> Piece:
    """From the first to the last item that an attempt is about."""
    if not attempt.at_work:
        return attempt.range
    first, last = min(attempt.at_work), max(attempt.at_work)
    return Piece(first_item=first, items=last - first + 1)


def _may_concern(info: BlobInfo, piece: Piece) -> bool:
    try:
        about = Piece(first_item=int(info.metadata["first_item"]), items=int(info.metadata["items"]))
    except (KeyError, ValueError):
        return True
    return _overlap(about, piece)


def _overlap(one: Piece, other: Piece) -> bool:
    return one.first_item < other.end and other.first_item < one.end
