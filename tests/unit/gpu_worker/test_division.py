"""Which pieces a failed shard is divided into, driven to the end."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropscore.contracts.failures import Code, failure
from dropscore.contracts.plan import Piece
from gpu_worker.division import divide, isolate, pieces_for

type Divide = Callable[[Piece], tuple[Piece, ...]]


def piece(first_item: int, items: int) -> Piece:
    return Piece(first_item=first_item, items=items)


def ranges(pieces: tuple[Piece, ...]) -> list[tuple[int, int]]:
    """First and last item of each."""
    return [(one.first_item, one.end - 1) for one in pieces]


def drive(whole: Piece, bad: set[int], suspects: Callable[[Piece], list[int]]) -> tuple[int, set[int], list[Piece]]:
    """Score and divide until nothing is left: pieces made, items found guilty, and pieces that came out."""
    waiting, made, guilty, good = [whole], 0, set[int](), list[Piece]()
    while waiting:
        one = waiting.pop()
        if not bad & set(range(one.first_item, one.end)):
            good.append(one)
        elif one.items == 1:
            guilty.add(one.first_item)
        else:
            pieces = divide(one, suspects(one))
            made += len(pieces)
            waiting += pieces
    return made, guilty, good


def levels(items: int) -> int:
    """ceil(log2(items))."""
    return (items - 1).bit_length()


def test_a_guilty_item_is_cut_out_with_its_neighbours_on_both_sides() -> None:
    assert ranges(isolate(piece(100, 50), piece(120, 1))) == [(100, 119), (120, 120), (121, 149)]


def test_guilty_items_at_an_end_leave_one_neighbour() -> None:
    assert ranges(isolate(piece(100, 50), piece(100, 2))) == [(100, 101), (102, 149)]
    assert ranges(isolate(piece(100, 50), piece(145, 5))) == [(100, 144), (145, 149)]


def test_guilty_items_that_reach_beyond_a_piece_count_as_far_as_it_goes() -> None:
    assert ranges(isolate(piece(100, 50), piece(140, 90))) == [(100, 139), (140, 149)]


def test_nothing_is_divided_where_all_are_guilty_or_the_guilty_are_elsewhere() -> None:
    assert isolate(piece(100, 50), piece(90, 100)) == ()
    assert isolate(piece(100, 50), piece(99, 1)) == ()


def test_without_suspects_a_shard_is_halved() -> None:
    assert ranges(divide(piece(10, 9))) == [(10, 14), (15, 18)]
    assert ranges(divide(piece(10, 2))) == [(10, 10), (11, 11)]


def test_one_item_cannot_be_divided() -> None:
    assert divide(piece(10, 1), [10]) == ()


def test_a_few_suspects_get_a_piece_each_wherever_they_are() -> None:
    assert ranges(divide(piece(0, 64), [24, 25])) == [(0, 23), (24, 24), (25, 25), (26, 63)]
    assert ranges(divide(piece(0, 64), [63, 24])) == [(0, 23), (24, 24), (25, 62), (63, 63)]
    assert ranges(divide(piece(0, 3), [0, 1, 2])) == [(0, 0), (1, 1), (2, 2)]
    assert ranges(divide(piece(0, 4), [0, 2])) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_more_suspects_get_a_piece_of_their_own() -> None:
    assert ranges(divide(piece(0, 64), range(24, 32))) == [(0, 23), (24, 31), (32, 63)]
    assert ranges(divide(piece(0, 64), range(8))) == [(0, 7), (8, 63)]
    assert ranges(divide(piece(0, 64), [40])) == [(0, 39), (40, 40), (41, 63)]


def test_suspects_that_are_everything_or_elsewhere_say_nothing() -> None:
    assert divide(piece(0, 8), range(8)) == divide(piece(0, 8))
    assert divide(piece(0, 8), range(8, 16)) == divide(piece(0, 8))


SHARDS = st.integers(1, 200).flatmap(
    lambda items: st.tuples(
        st.just(items), st.sets(st.integers(0, items - 1), min_size=1, max_size=6), st.integers(1, 40)
    )
)


@given(SHARDS)
def test_each_bad_item_ends_alone_after_two_pieces_a_level_at_most(shard: tuple[int, set[int], int]) -> None:
    items, bad, batch = shard
    whole = piece(1000, items)
    guilty = {1000 + item for item in bad}

    def raised(one: Piece) -> list[int]:
        """The first batch of the piece that holds a bad item."""
        first = min(item for item in guilty if one.first_item <= item < one.end)
        start = one.first_item + (first - one.first_item) // batch * batch
        return list(range(start, min(start + batch, one.end)))

    for suspects in (raised, lambda one: []):
        made, found, good = drive(whole, guilty, suspects)
        assert found == guilty
        assert made <= 2 * levels(items) * len(guilty)
        assert sorted([*found, *(item for one in good for item in range(one.first_item, one.end))]) == list(
            range(whole.first_item, whole.end)
        )


@given(st.integers(1, 200), st.data())
def test_pieces_follow_each_other_without_gap_or_overlap(items: int, data: st.DataObject) -> None:
    whole = piece(data.draw(st.integers(0, 50)), items)
    suspects = data.draw(st.sets(st.integers(0, 260), max_size=8))
    guilty = piece(data.draw(st.integers(0, 260)), data.draw(st.integers(1, 60)))
    for pieces in (divide(whole, suspects), isolate(whole, guilty)):
        if pieces:
            assert 2 <= len(pieces) <= max(3, 2 * levels(items))
            assert [item for one in pieces for item in range(one.first_item, one.end)] == list(
                range(whole.first_item, whole.end)
            )


@given(SHARDS)
def test_named_items_cost_no_more_pieces_than_halving_would(shard: tuple[int, set[int], int]) -> None:
    items, bad, _ = shard
    waiting, made = [piece(0, items)], 0
    while waiting:
        one = waiting.pop()
        named = sorted(item for item in bad if one.first_item <= item < one.end)
        if named and one.items > 1:
            pieces = isolate(one, piece(named[0], 1))
            made += len(pieces)
            waiting += pieces
    assert made <= 2 * levels(items) * len(bad)


@pytest.mark.parametrize(
    ("why", "suspects", "expected"),
    [
        (failure(Code.INPUT_CORRUPT, item=12), (12,), [(10, 11), (12, 12), (13, 19)]),
        (failure(Code.INPUT_CORRUPT, item=12, last_item=15), None, [(10, 11), (12, 15), (16, 19)]),
        (failure(Code.OUTPUT_INVALID, item=12), range(10, 14), [(10, 11), (12, 12), (13, 19)]),
        (failure(Code.INTERNAL), (12, 13), [(10, 11), (12, 12), (13, 13), (14, 19)]),
        (failure(Code.OUT_OF_MEMORY), range(10, 18), [(10, 17), (18, 19)]),
        (failure(Code.SHARD_POISON), (), [(10, 14), (15, 19)]),
        (failure(Code.INPUT_CHANGED), (12,), []),
        (failure(Code.MODEL_INVALID), None, []),
        (failure(Code.INTERNAL), None, []),
        (failure(Code.INPUT_CORRUPT, item=10, last_item=30), (10,), []),
    ],
)
def test_what_a_failure_says_decides_how_a_shard_is_divided(why, suspects, expected):
    assert ranges(pieces_for(piece(10, 10), why, suspects)) == expected
