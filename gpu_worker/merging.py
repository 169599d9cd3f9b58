"""The verdict of a divided shard: the sum of its pieces' verdicts. Pure."""

from collections.abc import Iterator, Sequence

from dropscore.contracts.quarantine import Split
from dropscore.contracts.verdict import Outcome, PieceResult, Verdict


def merged(split: Split, verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from those of the pieces, given in the pieces' order. The same ones give the same verdict."""
    first = verdicts[0]
    ours = [verdict for verdict in verdicts if verdict.scored_for is None]
    return Verdict(
        run_id=split.run_id,
        shard_id=split.shard_id,
        outcome=Outcome.SPLIT,
        items_done=sum(verdict.items_done for verdict in verdicts),
        items_failed=sum(verdict.items_failed for verdict in verdicts),
        attempt=split.tries + sum(verdict.attempt - 1 for verdict in verdicts),
        model_digest=first.model_digest,
        worker=max(ours or verdicts, key=lambda verdict: verdict.duration_s).worker,
        started_at=min(verdict.started_at for verdict in ours or verdicts),
        duration_s=sum(verdict.duration_s for verdict in ours),
        upload_s=sum(verdict.upload_s for verdict in ours),
        model_load_s=sum(verdict.model_load_s for verdict in ours),
        items_kept=sum(verdict.items_kept for verdict in verdicts),
        items=tuple(timing for verdict in ours for timing in verdict.items),
        pieces=tuple(_results(split, verdicts)),
    )


def _results(split: Split, verdicts: Sequence[Verdict]) -> Iterator[PieceResult]:
    """The pieces in order; of one that was divided itself, its own."""
    for piece, verdict in zip(split.pieces, verdicts, strict=True):
        if verdict.outcome is Outcome.SPLIT:
            yield from verdict.pieces
        else:
            yield PieceResult(
                first_item=piece.first_item,
                items=piece.items,
                outcome=verdict.outcome,
                part=verdict.part,
                failure=verdict.failure,
                metrics=verdict.metrics,
            )
