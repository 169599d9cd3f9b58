"""Plan a replay: the plan of the first run, with that one's good results already in place.

A shard that was done keeps its verdict. One that was divided keeps those of its good pieces, and a split that asks for
the others alone. What failed, or was never scored, has no verdict, and so is scored.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cpu_worker.documents import lines, parsed, read
from cpu_worker.ports import Ports
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.glance import glance_metadata
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.plan import Piece, PlanIndex, ShardSpec
from dropscore.contracts.quarantine import Split
from dropscore.contracts.verdict import Outcome, Verdict

LOG: Final = logging.getLogger(__name__)
SIDE_BY_SIDE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copying:
    """From which run to which."""

    blobs: BlobStore
    first: str
    replay: str
    at: str


def plan_replay(run_id: str, replayed: str, ports: Ports) -> PlanIndex:
    """Write the plan of a replay, its index last. Whoever does it again does the same."""
    copying = _Copying(blobs=ports.blobs, first=replayed, replay=run_id, at=ports.clock.now())
    index = read(PlanIndex, ports.blobs, layout.plan_index(replayed)).model_copy(update={"run_id": run_id})
    kept = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as side:
        for page in range(1, index.pages + 1):
            data = ports.blobs.get(layout.plan_page(replayed, page)).data
            kept += sum(side.map(lambda shard: _keep(copying, shard), lines(ShardSpec, data)))
            ports.blobs.put(layout.plan_page(run_id, page), data, content_type="application/x-ndjson")
    ports.blobs.create(layout.plan_index(run_id), encode_bytes(index))
    LOG.info("Keeps the results of %d of %d items.", kept, index.items, extra={"action": "kept", "replay_of": replayed})
    return index


def _keep(copying: _Copying, shard: ShardSpec) -> int:
    """Keep what is good of a shard; the number of its items that are."""
    verdict = _verdict(copying, layout.verdict(copying.first, shard.shard_id))
    if verdict is None:
        return 0
    if verdict.outcome is Outcome.DONE:
        return _copy(copying, verdict, layout.verdict(copying.replay, shard.shard_id))
    if verdict.outcome is Outcome.FAILED:
        return 0
    return _keep_pieces(copying, shard, verdict)


def _keep_pieces(copying: _Copying, shard: ShardSpec, verdict: Verdict) -> int:
    kept = 0
    for piece in _good_pieces(verdict):
        found = _verdict(copying, layout.piece_verdict(copying.first, shard.shard_id, piece))
        if found is not None:
            kept += _copy(copying, found, layout.piece_verdict(copying.replay, shard.shard_id, piece))
    whole = Piece.of(shard)
    split = Split(
        run_id=copying.replay,
        shard_id=shard.shard_id,
        range=whole,
        pieces=tuple(Piece(first_item=one.first_item, items=one.items) for one in verdict.pieces),
        failure=failure(Code.SHARD_FAILED, f"Divided as in the run {copying.first}."),
        at=copying.at,
    )
    copying.blobs.create(layout.split(copying.replay, shard.shard_id, whole), encode_bytes(split))
    return kept


def _good_pieces(verdict: Verdict) -> Iterator[Piece]:
    for one in verdict.pieces:
        if one.outcome is Outcome.DONE:
            yield Piece(first_item=one.first_item, items=one.items)


def _verdict(copying: _Copying, path: BlobPath) -> Verdict | None:
    try:
        return parsed(Verdict, copying.blobs.get(path).data)
    except NotFoundError:
        return None


def _copy(copying: _Copying, verdict: Verdict, path: BlobPath) -> int:
    paid_by = verdict.scored_for or copying.first
    ours = verdict.model_copy(
        update={"run_id": copying.replay, "scored_for": paid_by, "items_kept": verdict.items_done}
    )
    copying.blobs.create(path, encode_bytes(ours), metadata=glance_metadata(ours, copying.at))
    return ours.items_done
