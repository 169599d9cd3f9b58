"""Which frames fall with a damaged one: tables that can be checked by hand."""

import pytest

from dropscore.workloads.media.damage import Coded, fallen

PLAIN = [Coded(pts, pts % 4 == 0) for pts in range(12)]
"""A key frame every four frames, shown as they are decoded."""

OPEN = [Coded(pts, pts in (0, 8, 16)) for pts in (0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15)]
"""Frames of an open group: 5 to 7 are decoded after the key frame 8 and shown before it."""


@pytest.mark.parametrize(
    ("coded", "bad", "lost"),
    [
        (PLAIN, {5}, (5, 8)),
        (PLAIN, {4}, (4, 8)),
        (PLAIN, {7}, (7, 8)),
        (PLAIN, {10}, (10, None)),
        (PLAIN, {5, 9}, (5, 8)),
        (OPEN, {4}, (1, 8)),
        (OPEN, {2}, (1, 8)),
        (OPEN, {8}, (5, 16)),
        (OPEN, {7}, (7, 8)),
        (OPEN, {6}, (5, 8)),
        (OPEN, {12}, (9, 16)),
        (OPEN, {9, 12}, (9, 16)),
    ],
)
def test_what_is_decoded_later_falls_up_to_the_next_key_frame(coded, bad, lost):
    assert fallen(coded, bad) == lost


def test_what_fell_is_known_by_its_time():
    lost = fallen(PLAIN, {5})
    assert [pts for pts in range(12) if pts in lost] == [5, 6, 7]
    assert 11 in fallen(PLAIN, {10})
