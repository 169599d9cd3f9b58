"""Which pieces a shard is divided into when it cannot be scored as a whole. Pure.

Divided again and again, each guilty item ends alone after at most 2 * ceil(log2 k) pieces made for it, k being the
items of the shard, and its neighbours lie in pieces that hold good items only.
"""

from collections.abc import Collection
from itertools import pairwise

from dropscore.contracts.failures import Failure, FailureClass
from dropscore.contracts.plan import Piece

FEW = 4
"""Most suspects that are told apart at once, each in a piece of its own."""


def pieces_for(whole: Piece, failure: Failure, suspects: Collection[int] | None) -> tuple[Piece, ...]:
    """Into what a shard or piece is divided that failed for good; empty when it fails as a whole.

    `suspects` are the items that were at work when it failed, None when none was: then the failure is not one of
    items (an input that was replaced, a model that does not load), and every piece would fail alike.
    """
    guilty = guilty_in(whole, failure)
    if guilty is not None:
        return isolate(whole, guilty)
    if suspects is None or failure.failure_class is FailureClass.BAD_INPUT:
        return ()
    return divide(whole, suspects)


def guilty_in(whole: Piece, failure: Failure) -> Piece | None:
    """The items that a failure names, as far as they lie here; None when it names none of them."""
    if failure.item is None:
        return None
    last = failure.item if failure.last_item is None else failure.last_item
    first, end = max(whole.first_item, failure.item), min(whole.end, last + 1)
    return Piece(first_item=first, items=end - first) if first < end else None


def isolate(whole: Piece, guilty: Piece) -> tuple[Piece, ...]:
    """What is before the guilty items, those, and what is after them: for a failure that is certain whose it is.

    Empty when nothing would be gained: all are guilty, or none of them lies here.
    """
    first, end = max(whole.first_item, guilty.first_item), min(whole.end, guilty.end)
    if first >= end:
        return ()
    return _cut(whole, first, end)


def divide(whole: Piece, suspects: Collection[int] = ()) -> tuple[Piece, ...]:
    """Pieces to be scored apart, so that the items that are guilty of a failure are found.

    `suspects` are items (0-based over the run) of which one at least is guilty; those outside count for nothing, and
    with none of them inside all are suspected. A few of them are put in a piece each, so that no more tries go into
    telling them apart; more of them in one piece, from the first to the last, where that leads to the guilty one faster
    than halves do. Empty when there is one item only.
    """
    inside = [item for item in suspects if item in whole]
    if whole.items == 1:
        return ()
    if 0 < len(inside) <= FEW:
        alone = _cut(whole, *(place for item in inside for place in (item, item + 1)))
        if len(alone) <= _worst(whole.items):
            return alone
    if inside:
        apart = _cut(whole, min(inside), max(inside) + 1)
        if apart and len(apart) + _worst(max(inside) + 1 - min(inside)) <= _worst(whole.items):
            return apart
    return _cut(whole, whole.first_item + (whole.items + 1) // 2)


def _worst(items: int) -> int:
    """Most pieces that halving makes until one item of so many is alone: two for each level."""
    return 2 * (items - 1).bit_length()


def _cut(whole: Piece, *places: int) -> tuple[Piece, ...]:
    """The pieces between the whole's ends and these places inside it; empty when that is one piece."""
    ends = sorted({whole.first_item, *places, whole.end})
    pieces = tuple(Piece(first_item=start, items=stop - start) for start, stop in pairwise(ends))
    return pieces if len(pieces) > 1 else ()
