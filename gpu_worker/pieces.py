"""What becomes of a shard or piece that failed for good: splits, quarantine, verdicts of pieces, and their sum.

It is given up in this order:

1. the split: into which pieces it is divided; who writes it first decides for all;
2. the guilty items, if they are known, go into quarantine and get their failed verdict;
3. each piece without a verdict is scored, under the lease of what was divided (`families`) or by a message of its own;
4. the message of what was divided is deleted (by whoever calls).

Whoever writes the last verdict of a split's pieces writes the verdict of what was divided, and so on up to the
shard's own. Every step may be done twice, by anybody, and the process may end after any of them: the message of what
was divided, delivered again, goes on from there (`resume`), and that of a piece with a verdict has the sum looked at
again (`merge`). Every method raises what storage does.
"""

import logging
from collections.abc import Sequence

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Failure
from dropscore.contracts.glance import glance_metadata
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.plan import Piece, ShardMessage
from dropscore.contracts.quarantine import Attempt, Quarantined, Split
from dropscore.contracts.verdict import Outcome, Verdict
from gpu_worker.attempts import Attempts, Tried, concerns
from gpu_worker.division import guilty_in
from gpu_worker.merging import merged

log = logging.getLogger(__name__)


class Pieces:
    """The records of divided shards. Thread-safe."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self.attempts = Attempts(blobs, clock)
        self._blobs = blobs
        self._clock = clock

    # --- giving up

    def give_up(
        self, tried: Tried, failure: Failure, pieces: Sequence[Piece], *, known: Sequence[Attempt] = ()
    ) -> list[ShardMessage]:
        """Settle what failed for good: divide it into these pieces (see `division.pieces_for`), or with none put it
        into quarantine as a whole, which is then to be merged. `known` are all attempts that concern it. Returns the
        messages of the pieces that are to be scored.
        """
        if not pieces:
            self.quarantine(tried, tried.message.range, failure, known)
            return []
        split, ours = self.split(tried, failure, pieces)
        guilty = guilty_in(tried.message.range, failure)
        if guilty in split.pieces:
            self.quarantine(tried, guilty, failure, known)
        if ours:
            return _messages(split, tried.message, [piece for piece in pieces if piece != guilty], known)
        return self._go_on(tried.message, split)

    def split(self, tried: Tried, failure: Failure, pieces: Sequence[Piece]) -> tuple[Split, bool]:
        """Write down a division. Returns the one that stands, that of whoever was first, and whether it is ours."""
        message = tried.message
        ours = Split(
            run_id=message.run_id,
            shard_id=message.shard.shard_id,
            range=message.range,
            pieces=tuple(pieces),
            failure=failure,
            tries=tried.delivery,
            cut_from=message.cut_from,
            at=self._clock.now(),
        )
        path = layout.split(ours.run_id, ours.shard_id, ours.range)
        if self._blobs.create(path, encode_bytes(ours)):
            cut = ", ".join(f"{piece.first_item} to {piece.end - 1}" for piece in pieces)
            log.info("Divides a shard: items %s.", cut, extra={**tried.fields, "action": "divided"})
            return ours, True
        return decode(Split, self._blobs.get(path).data), False

    def quarantine(self, tried: Tried, guilty: Piece, failure: Failure, known: Sequence[Attempt]) -> None:
        """Put items of what was tried into quarantine, then write their failed verdict, unless they have one."""
        message = tried.message.model_copy(update={"piece": guilty})
        shard = message.shard
        named = _named(failure, guilty, shard_id=shard.shard_id, whole=guilty == Piece.of(shard))
        quarantined = Quarantined(
            run_id=message.run_id,
            shard=shard,
            input=tried.input,
            failure=named,
            attempts=tried.delivery,
            model_digest=tried.model_digest,
            worker=tried.worker,
            at=self._clock.now(),
            piece=guilty,
            tries=tuple(one for one in known if concerns(one, guilty)),
        )
        path = layout.quarantine(message.run_id, guilty)
        self._blobs.create(path, encode_bytes(quarantined, indent=2))
        if not self.commit(message, _failed(tried, guilty, named)) and not self._has_failed(message):
            self._blobs.delete(path)
            return
        log.warning(
            "Put into quarantine: %s",
            named.message,
            extra={**tried.fields, "action": "quarantined", "code": named.code.value, "item": named.item},
        )

    # --- verdicts

    def settled(self, message: ShardMessage) -> bool:
        """Whether a shard or piece has a verdict."""
        return self._blobs.head(verdict_path(message)) is not None

    def commit(self, message: ShardMessage, verdict: Verdict) -> bool:
        """Create the verdict of a shard or piece; False when one stands already."""
        metadata, path = glance_metadata(verdict, self._clock.now()), verdict_path(message)
        return self._blobs.create(path, encode_bytes(verdict), metadata=metadata)

    def merge(self, message: ShardMessage) -> None:
        """A piece has its verdict: where it was the last of a division, write the verdict of what was divided."""
        split = self._split_above(message)
        while split is not None and (verdicts := self._all_verdicts(message, split)):
            message = message.model_copy(update={"piece": split.range, "cut_from": split.cut_from})
            self.commit(message, merged(split, verdicts))
            split = self._split_above(message)

    def divided(self, message: ShardMessage) -> bool:
        """Whether a shard or piece was divided."""
        return self._division(message) is not None

    def resume(self, message: ShardMessage) -> list[ShardMessage]:
        """Go on with a division that was begun: the messages of the pieces that have no verdict."""
        split = self._division(message)
        return [] if split is None else self._go_on(message, split)

    # --- inside

    def _division(self, message: ShardMessage) -> Split | None:
        try:
            return self._split(layout.split(message.run_id, message.shard.shard_id, message.range))
        except NotFoundError:
            return None

    def _go_on(self, message: ShardMessage, split: Split) -> list[ShardMessage]:
        """The messages of the pieces that have no verdict; with none left, the sum is written."""
        verdicts = self._blobs.list(layout.piece_verdicts_prefix(message.run_id, message.shard.shard_id))
        settled = {info.path for info in verdicts}
        missing = [
            piece for piece in split.pieces if verdict_path(message.model_copy(update={"piece": piece})) not in settled
        ]
        if not missing:
            self.merge(message.model_copy(update={"piece": split.pieces[0], "cut_from": split.range}))
        return _messages(split, message, missing)

    def _split_above(self, message: ShardMessage) -> Split | None:
        """The split that this piece came from; where that is not said, of all that hold it the narrowest."""
        asked, run_id, shard_id = message.range, message.run_id, message.shard.shard_id
        if asked == Piece.of(message.shard):
            return None
        if message.cut_from is not None:
            return self._split(layout.split(run_id, shard_id, message.cut_from))
        found = (
            (layout.range_of(info.path), info.path) for info in self._blobs.list(layout.splits_prefix(run_id, shard_id))
        )
        above = [(whole.items, path) for whole, path in found if _holds(whole, asked)]
        if not above:
            return None
        _, path = min(above, key=lambda entry: entry[0])
        return self._split(path)

    def _split(self, path: BlobPath) -> Split:
        return decode(Split, self._blobs.get(path).data)

    def _all_verdicts(self, message: ShardMessage, split: Split) -> list[Verdict]:
        """The verdicts of a split's pieces; none at all while one is missing."""
        paths = [verdict_path(message.model_copy(update={"piece": piece})) for piece in split.pieces]
        try:
            return [decode(Verdict, self._blobs.get(path).data) for path in paths]
        except NotFoundError:
            return []

    def _has_failed(self, message: ShardMessage) -> bool:
        standing = decode(Verdict, self._blobs.get(verdict_path(message)).data)
        return standing.outcome is Outcome.FAILED


def _messages(
    split: Split, message: ShardMessage, pieces: Sequence[Piece], known: Sequence[Attempt] | None = None
) -> list[ShardMessage]:
    """Messages for pieces of what was divided. `known` are all attempts that concern it, if they are known."""
    return [
        message.model_copy(
            update={
                "piece": piece,
                "cut_from": split.range,
                "suspected": known is None or any(concerns(one, piece) for one in known),
                "generation": message.generation + 1,
            }
        )
        for piece in pieces
    ]


def verdict_path(message: ShardMessage) -> BlobPath:
    """Where the verdict of a shard or piece lies."""
    run_id, shard_id = message.run_id, message.shard.shard_id
    if message.range == Piece.of(message.shard):
        return layout.verdict(run_id, shard_id)
    return layout.piece_verdict(run_id, shard_id, message.range)


def _holds(whole: Piece, piece: Piece) -> bool:
    return whole.items > piece.items and whole.first_item <= piece.first_item and piece.end <= whole.end


def _named(failure: Failure, guilty: Piece, *, shard_id: int, whole: bool) -> Failure:
    """The failure with the items it is about; that of a whole shard of several need not be about any of them."""
    about: dict[str, int | None] = {"shard_id": shard_id}
    if guilty.items == 1 or not whole:
        about |= {"item": guilty.first_item, "last_item": guilty.end - 1 if guilty.items > 1 else None}
    return failure.model_copy(update=about)


def _failed(tried: Tried, guilty: Piece, failure: Failure) -> Verdict:
    return Verdict(
        run_id=tried.message.run_id,
        shard_id=tried.message.shard.shard_id,
        outcome=Outcome.FAILED,
        items_done=0,
        items_failed=guilty.items,
        failure=failure,
        attempt=tried.delivery,
        model_digest=tried.model_digest,
        worker=tried.worker,
        started_at=tried.started_at,
        duration_s=tried.duration_s,
    )
