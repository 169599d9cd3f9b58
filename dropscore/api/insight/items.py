"""The items of a run by pages, from its plan and the verdicts that a page needs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from dropscore.api.insight.boards import Board
from dropscore.api.insight.plans import Plan
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.failures import Failure
from dropscore.contracts.http.items import ItemDocument, ItemState, ShardState
from dropscore.contracts.verdict import ItemTiming, Outcome, Verdict

SIDE_BY_SIDE = 8
READ_AT_ONCE = 32
"""Verdicts read before it is looked whether the page is full."""

HOLDS = {
    ItemState.PENDING: frozenset({ShardState.WAITING, ShardState.WORKING}),
    ItemState.DONE: frozenset({ShardState.DONE, ShardState.RETRIED, ShardState.SPLIT}),
    ItemState.FAILED: frozenset({ShardState.FAILED, ShardState.SPLIT}),
}
"""In which shards items of a state can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsWanted:
    """Which items are wanted. `after` is the item after which to begin, -1 for all."""

    state: ItemState | None = None
    limit: int
    after: int = -1
    most_reads: int
    """Verdicts read for one page; then it ends early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsFound:
    """Items in their order. `last` is the last item looked at; None when there are no more."""

    items: tuple[ItemDocument, ...]
    last: int | None


def find_items(blobs: BlobStore, run_id: str, plan: Plan, board: Board, wanted: ItemsWanted) -> ItemsFound:
    """One page of items. Raises what storage does."""
    found: list[ItemDocument] = []
    reads = 0
    fitting = _fitting(plan, board, wanted)
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="items") as side:
        while shards := _some(plan, fitting, limit=wanted.limit - len(found)):
            for shard_id, items in zip(shards, side.map(_reader(blobs, run_id, plan, board), shards), strict=True):
                for item in items:
                    if item.item <= wanted.after or wanted.state not in (None, item.state):
                        continue
                    if len(found) == wanted.limit:
                        return ItemsFound(items=tuple(found), last=found[-1].item)
                    found.append(item)
                last = plan.items_of(shard_id)[-1]
            reads += sum(board.state(shard_id) is not ShardState.WAITING for shard_id in shards)
            if reads >= wanted.most_reads and last < plan.items - 1:
                return ItemsFound(items=tuple(found), last=last)
    return ItemsFound(items=tuple(found), last=None)


def _fitting(plan: Plan, board: Board, wanted: ItemsWanted) -> Iterator[int]:
    """Shards that may hold what is wanted, in order."""
    first = plan.shard_of(wanted.after + 1)
    for shard_id in range(plan.shards if first is None else first, plan.shards):
        if wanted.state is None or board.state(shard_id) in HOLDS[wanted.state]:
            yield shard_id


def _some(plan: Plan, fitting: Iterator[int], *, limit: int) -> list[int]:
    """The next shards: about as many as have the items that are still wanted, and at most `READ_AT_ONCE`."""
    taken: list[int] = []
    items = 0
    for shard_id in islice(fitting, READ_AT_ONCE):
        taken.append(shard_id)
        items += len(plan.items_of(shard_id))
        if items > limit:
            break
    return taken


def _reader(blobs: BlobStore, run_id: str, plan: Plan, board: Board) -> Callable[[int], list[ItemDocument]]:
    def read(shard_id: int) -> list[ItemDocument]:
        verdict = None if board.state(shard_id) is ShardState.WAITING else _verdict(blobs, run_id, shard_id)
        return list(documents(shard_id, plan.items_of(shard_id), verdict))

    return read


def _verdict(blobs: BlobStore, run_id: str, shard_id: int) -> Verdict | None:
    try:
        return decode(Verdict, blobs.get(layout.verdict(run_id, shard_id)).data)
    except (NotFoundError, ContractError):
        return None


def documents(shard_id: int, items: range, verdict: Verdict | None) -> Iterator[ItemDocument]:
    """The items of one shard, from its verdict; pending without one."""
    if verdict is None:
        yield from (ItemDocument(item=item, state=ItemState.PENDING, shard_id=shard_id) for item in items)
        return
    timings = {timing.item: timing for timing in verdict.items}
    failures = _failures(items, verdict)
    for item in items:
        state = ItemState.FAILED if item in failures else ItemState.DONE
        yield _settled(item, state, verdict, timings.get(item), failures.get(item))


def _settled(
    item: int, state: ItemState, verdict: Verdict, timing: ItemTiming | None, why: Failure | None
) -> ItemDocument:
    return ItemDocument(
        item=item,
        state=state,
        shard_id=verdict.shard_id,
        worker=verdict.worker.worker,
        timing=timing,
        code=None if why is None else why.code.value,
        message=None if why is None else why.message,
    )


def _failures(items: range, verdict: Verdict) -> dict[int, Failure | None]:
    """The failed items of a shard, and why they failed."""
    if verdict.outcome is Outcome.FAILED:
        return dict.fromkeys(items, verdict.failure)
    return {
        item: piece.failure
        for piece in verdict.pieces
        if piece.outcome is Outcome.FAILED
        for item in range(piece.first_item, piece.first_item + piece.items)
    }
