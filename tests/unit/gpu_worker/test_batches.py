"""Batches hold consecutive items and never reach across one that begins a segment."""

import pytest

from dropscore.workloads.base import Item
from gpu_worker.stages import batches


def items(text: str) -> list[Item]:
    """One item for each letter; a capital is fresh."""
    return [Item(number, None, fresh=letter.isupper()) for number, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("", 4, []),
        ("aaaaa", 2, [2, 2, 1]),
        ("aaaBbb", 2, [2, 1, 2, 1]),
        ("Aaaa", 4, [4]),
        ("aAAa", 4, [1, 1, 2]),
        ("aaBb", 1, [1, 1, 1, 1]),
    ],
)
def test_batches_are_full_but_at_the_end_of_a_segment(text, most, expected):
    made = list(batches(iter(items(text)), most))
    assert [len(batch) for batch in made] == expected
    assert [item.index for batch in made for item in batch] == list(range(len(text)))


def test_a_full_batch_does_not_wait_for_the_item_after_it():
    source = iter(items("aaaa"))
    assert len(next(batches(source, 2))) == 2
    assert next(source).index == 2


def test_items_that_are_to_be_apart_are_batches_of_their_own():
    made = [[item.index for item in batch] for batch in batches(iter(items("aaaaaa")), 4, {2, 5})]
    assert made == [[0, 1], [2], [3, 4], [5]]
