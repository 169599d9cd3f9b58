from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropscore.workloads.media.facts import Timeline
from dropscore.workloads.media.ranges import cut, dropped_frames, longest_segment, segment_starts


def timeline(frames, keys, step=10):
    """Frames at 0, 10, 20, …; `keys` are the numbers of the key frames."""
    return Timeline(
        time_base=Fraction(1, 1000),
        pts=np.arange(frames, dtype=np.int64) * step,
        key_pts=np.array(keys, dtype=np.int64) * step,
        end=frames * step,
        exact=True,
    )


@pytest.mark.parametrize(
    ("frames", "keys", "most", "expected"),
    [
        # (first, frames, key, pre-roll): keys where wanted
        (12, [0, 4, 8], 4, [(0, 4, 0, 0), (4, 4, 4, 0), (8, 4, 8, 0)]),
        # one group for all: cut inside, decode from its key frame
        (10, [0], 4, [(0, 4, 0, 0), (4, 3, 0, 4), (7, 3, 0, 7)]),
        # a key frame a little before the even cut is taken
        (12, [0, 5], 6, [(0, 5, 0, 0), (5, 4, 5, 0), (9, 3, 5, 4)]),
        # a key frame too far away is not
        (12, [0, 2], 6, [(0, 6, 0, 0), (6, 6, 2, 4)]),
        # everything in one
        (5, [0, 3], 100, [(0, 5, 0, 0)]),
        (1, [0], 1, [(0, 1, 0, 0)]),
        # one frame each
        (3, [0], 1, [(0, 1, 0, 0), (1, 1, 0, 1), (2, 1, 0, 2)]),
    ],
)
def test_cuts_are_where_one_would_make_them_by_hand(frames, keys, most, expected):
    made = [
        (part.first, part.frames, part.key_pts // 10, part.preroll)
        for part in cut(timeline(frames, keys), most, longest=1)
    ]
    assert made == expected


@pytest.mark.parametrize(
    ("frames", "keys", "longest", "expected"),
    [
        # groups of pictures that fit are segments
        (12, [0, 4, 8], 4, [0, 4, 8]),
        # short ones are put together, as many as fit
        (12, [0, 3, 6, 9], 7, [0, 6]),
        (6, [0, 1, 2, 3, 4, 5], 4, [0, 4]),
        # long ones are shared out evenly
        (20, [0, 10], 4, [0, 3, 6, 10, 13, 16]),
        (10, [0], 4, [0, 3, 6]),
        # a group that is too long begins where the one before ends
        (14, [0, 2], 5, [0, 2, 6, 10]),
        (1, [0], 1, [0]),
    ],
)
def test_segments_are_where_one_would_make_them_by_hand(frames, keys, longest, expected):
    assert segment_starts(timeline(frames, keys), longest) == expected


@pytest.mark.parametrize(
    ("frames", "step", "expected"),
    [(3000, 40, 31), (3000, 20, 62), (320, 40, 20), (100, 40, 12), (3000, 1000, 12)],
)
def test_the_longest_segment_is_a_second_and_a_quarter_less_in_short_videos_twelve_frames_at_least(
    frames, step, expected
):
    assert longest_segment(timeline(frames, [0], step)) == expected


def test_a_range_says_where_its_further_segments_begin():
    first, second = cut(timeline(20, [0, 10]), 10, longest=4)
    assert (first.frames, first.cuts) == (10, (3, 6))
    assert (second.frames, second.cuts) == (10, (3, 6))


@given(
    frames=st.integers(1, 400),
    keys=st.sets(st.integers(1, 399), max_size=40),
    longest=st.integers(1, 60),
    mosts=st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
def test_segments_are_the_same_however_ranges_are_cut(frames, keys, longest, mosts):
    whole = timeline(frames, sorted({0} | {key for key in keys if key < frames}))
    expected = segment_starts(whole, longest)
    for most in mosts:
        ranges = cut(whole, most, longest=longest)
        assert [part.first + at for part in ranges for at in (0, *part.cuts)] == expected
        assert all(part.frames <= max(most, longest) for part in ranges)


def test_a_hidden_key_frame_before_the_first_shown_one_is_decoded_from():
    shown = timeline(6, [0])
    hidden = Timeline(
        time_base=shown.time_base, pts=shown.pts, key_pts=np.array([-30], dtype=np.int64), end=60, exact=True
    )
    (part,) = cut(hidden, 100)
    assert (part.key_pts, part.from_pts, part.preroll) == (-30, 0, 0)


def test_the_last_range_ends_where_the_last_frame_ends():
    *_, last = cut(timeline(10, [0]), 4, longest=1)
    assert last.to_pts == 100


def test_dropped_frames_are_those_decoded_before_each_range():
    assert dropped_frames(timeline(10, [0]), 4, longest=1) == 4 + 7
    assert dropped_frames(timeline(12, [0, 4, 8]), 4, longest=1) == 0


@given(
    frames=st.integers(1, 400),
    keys=st.sets(st.integers(1, 399), max_size=20),
    most=st.integers(1, 120),
    uneven=st.lists(st.integers(1, 90), min_size=400, max_size=400),
)
def test_ranges_cover_every_frame_once_in_order(frames, keys, most, uneven):
    pts = np.cumsum(np.array(uneven[:frames], dtype=np.int64))
    numbers = sorted({0} | {key for key in keys if key < frames})
    whole = Timeline(time_base=Fraction(1, 1000), pts=pts, key_pts=pts[numbers], end=int(pts[-1]) + 7, exact=True)
    ranges = cut(whole, most, longest=1)
    assert ranges[0].first == 0
    assert sum(part.frames for part in ranges) == frames
    for part, following in pairwise(ranges):
        assert following.first == part.first + part.frames
        assert part.to_pts == following.from_pts
    for part in ranges:
        shown = pts[(pts >= part.from_pts) & (pts < part.to_pts)]
        assert shown.tolist() == pts[part.first : part.first + part.frames].tolist()
        assert 1 <= part.frames <= most
        assert part.key_pts in whole.key_pts
        assert part.key_pts <= part.from_pts
        assert part.preroll == ((pts >= part.key_pts) & (pts < part.from_pts)).sum()
