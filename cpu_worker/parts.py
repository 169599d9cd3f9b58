"""Verdicts and parts of a run for the stitcher: read side by side, a little ahead of it."""

import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cpu_worker.documents import lines, read
from cpu_worker.report.ledger import Ledger
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName
from dropscore.contracts.plan import Piece, PlanIndex, ShardSpec
from dropscore.contracts.verdict import Outcome, PartRef, PieceResult, Verdict
from dropscore.workloads.base import Binary

READ_AHEAD: Final = 4
"""Parts that are fetched before they are asked for, however large; with the one in use this bounds the memory."""
SMALL_AHEAD: Final = 256
SMALL_BYTES: Final = 32 * 2**20
"""So many are fetched ahead while they are no more bytes than this together: one that storage makes wait then holds up
none of those after it.
"""

type NarrowTo = Callable[[ShardSpec, Piece], ShardSpec]
"""Describes some of a shard's items as a shard of its own."""


@dataclass(frozen=True, slots=True)
class _Result:
    """How a shard, or a piece of one, ended."""

    shard_id: int
    ended: PieceResult


class RunParts:
    """The `Parts` of one run. A divided shard is seen as its pieces."""

    def __init__(self, blobs: BlobStore, plan: PlanIndex, side: ThreadPoolExecutor, narrow: NarrowTo) -> None:
        self._blobs = blobs
        self._plan = plan
        self._side = side
        self._narrow = narrow
        self._results: list[_Result] = []
        self._places: dict[int, int] = {}
        """Place in `_results` of what begins with an item."""
        self._coming: dict[int, Future[bytes]] = {}

    def shards(self) -> Iterator[ShardSpec]:
        """The shards of the plan in order, a divided one as its pieces. After `read_verdicts`."""
        for shard in self._planned():
            place, items = self._places[shard.first_item], 0
            while items < shard.items:
                ended = self._results[place].ended
                piece = Piece(first_item=ended.first_item, items=ended.items)
                yield shard if piece == Piece.of(shard) else self._narrow(shard, piece)
                place, items = place + 1, items + ended.items

    def read_verdicts(self, ledger: Ledger) -> None:
        """Read all verdicts, page by page, and count them in `ledger`.

        The timings of their items go to the ledger alone: kept here, those of a million items would fill the
        container's memory. Raises `FailedError` (E-OUTPUT-INVALID) for pieces that are not the whole of their shard.
        """
        for page in range(1, self._plan.pages + 1):
            shards = list(self._page(page))
            for shard, verdict in zip(shards, self._side.map(self._read_verdict, shards), strict=True):
                ledger.add(shard, verdict)
                for ended in results_of(shard, verdict):
                    self._places[ended.first_item] = len(self._results)
                    self._results.append(_Result(shard.shard_id, ended))
                if len(self._results) <= READ_AHEAD:
                    self._fetch_from(0)  # the first parts come while the other verdicts do

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts together. After `read_verdicts`."""
        return sum(result.ended.part.size_bytes for result in self._results if result.ended.part is not None)

    def verdict(self, shard: ShardSpec) -> PieceResult:
        """How a shard or piece ended."""
        return self._results[self._places[shard.first_item]].ended

    def open(self, shard: ShardSpec) -> Binary:
        """The part of a shard or piece that is done.

        Raises `FailedError` (E-OUTPUT-INVALID) when it is not what its verdict says.
        """
        place = self._places[shard.first_item]
        self._fetch_from(place)
        if place not in self._coming:
            outcome = self._results[place].ended.outcome
            raise ValueError(f"shard {shard.shard_id} has no part: its outcome is {outcome}")
        return io.BytesIO(self._coming.pop(place).result())

    def _fetch_from(self, place: int) -> None:
        size_bytes = 0
        for ahead in range(place, min(place + 1 + SMALL_AHEAD, len(self._results))):
            part = self._results[ahead].ended.part
            size_bytes += part.size_bytes if part is not None else 0
            if ahead > place + READ_AHEAD and size_bytes > SMALL_BYTES:
                break
            if ahead not in self._coming and self._results[ahead].ended.outcome is Outcome.DONE:
                self._coming[ahead] = self._side.submit(self._fetch, self._results[ahead])

    def _planned(self) -> Iterator[ShardSpec]:
        for page in range(1, self._plan.pages + 1):
            yield from self._page(page)

    def _page(self, page: int) -> Iterator[ShardSpec]:
        return lines(ShardSpec, self._blobs.get(layout.plan_page(self._plan.run_id, page)).data)

    def _read_verdict(self, shard: ShardSpec) -> Verdict:
        return read(Verdict, self._blobs, layout.verdict(self._plan.run_id, shard.shard_id))

    def _fetch(self, result: _Result) -> bytes:
        part = result.ended.part
        if part is None:
            raise ValueError(f"the verdict of shard {result.shard_id} is done and names no part")
        data = self._blobs.get(part_path(part)).data
        if hashlib.sha256(data).hexdigest() != part.sha256:
            message = f"the part of shard {result.shard_id} is not what its verdict says (its digest differs)"
            raise FailedError.of(Code.OUTPUT_INVALID, message, shard_id=result.shard_id)
        return data


def results_of(shard: ShardSpec, verdict: Verdict) -> tuple[PieceResult, ...]:
    """A verdict as pieces in order: those of a divided shard, or one for the whole.

    Raises `FailedError` (E-OUTPUT-INVALID) when they leave a gap or overlap.
    """
    if verdict.outcome is not Outcome.SPLIT:
        whole = PieceResult(
            first_item=shard.first_item,
            items=shard.items,
            outcome=verdict.outcome,
            part=verdict.part,
            failure=verdict.failure,
            metrics=verdict.metrics,
        )
        return (whole,)
    item = shard.first_item
    for piece in verdict.pieces:
        if piece.first_item != item:
            break
        item += piece.items
    if item != shard.first_item + shard.items:
        message = f"the pieces of shard {shard.shard_id} are not the whole of it"
        raise FailedError.of(Code.OUTPUT_INVALID, message, shard_id=shard.shard_id)
    return verdict.pieces


def part_path(part: PartRef) -> BlobPath:
    """Where a part lies: `path` is its name in the container `runs`."""
    return BlobPath(ContainerName.RUNS, part.path)
