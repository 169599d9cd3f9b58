"""Cut a video into segments, and segments into ranges that can be decoded each on its own. Pure.

A *segment* is what is scored and encoded with no memory of what came before it. Where segments begin is decided by the
video alone; a range, which is the work of one shard, holds whole segments, and how many is decided by the pace of the
machines. So the output is the same to the bit however its shards were cut.

Ranges cover every displayed frame once, in display order. They begin at key frames where one is near; else inside
a group of pictures, whose frames from its key frame on are decoded and dropped first (the pre-roll).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dropscore.workloads.media.facts import Ticks, Timeline

NEAR = 0.5
"""A range may be cut short to this share of its size so that the next one begins at a key frame."""

SEGMENT_S = 1.25
"""Longest segment in seconds. Each costs the encoder a key frame and some 15 ms."""

SHORTEST_SEGMENT = 12
"""The longest segment holds at least this many frames, however short the video."""

SEGMENTS = 16
"""Segments that even a short video is cut into, if they hold `SHORTEST_SEGMENT` frames, so that lanes can share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRange:
    """Frames `first` to `first + frames - 1` of a video, in display order.

    Decoding starts at the key frame shown at `key_pts`; frames shown from `from_pts` (inclusive) to `to_pts`
    (exclusive) belong to the range. `preroll` frames shown before them are decoded and dropped. Times are ticks.
    `cuts` are the frames, counted from `first`, at which a further segment begins.
    """

    first: int
    frames: int
    key_pts: int
    from_pts: int
    to_pts: int
    preroll: int
    cuts: tuple[int, ...]


def longest_segment(timeline: Timeline) -> int:
    """Most frames of a segment of this video."""
    return max(min(round(SEGMENT_S * timeline.rate), timeline.frames // SEGMENTS), SHORTEST_SEGMENT)


def segment_starts(timeline: Timeline, longest: int) -> list[int]:
    """The first frame of each segment: short groups of pictures are put together up to `longest` frames, longer ones
    shared out evenly.
    """
    bounds = sorted({0, timeline.frames, *(int(key) for key in _key_indices(timeline))})
    starts: list[int] = []
    at = 0
    while at < timeline.frames:
        bound = bounds[max(bisect_right(bounds, at + longest) - 1, bisect_right(bounds, at))]
        pieces = -(-(bound - at) // longest)
        starts += [at + (bound - at) * piece // pieces for piece in range(pieces)]
        at = bound
    return starts


def cut(timeline: Timeline, most: int, *, longest: int | None = None) -> tuple[FrameRange, ...]:
    """Cut a video into ranges of whole segments: at most `most` frames (1 or more) each, or else one segment.

    `longest` is the most frames of a segment, by default `longest_segment`.
    """
    segments = segment_starts(timeline, longest or longest_segment(timeline))
    keys = {int(key) for key in _key_indices(timeline)}
    starts = [*_starts(timeline.frames, segments, keys, most), timeline.frames]
    return tuple(_range(timeline, first, following, segments) for first, following in pairwise(starts))


def dropped_frames(timeline: Timeline, most: int, *, longest: int | None = None) -> int:
    """Frames that are decoded only to be dropped, over all ranges, when ranges hold at most `most` frames."""
    return sum(part.preroll for part in cut(timeline, most, longest=longest))


def _key_indices(timeline: Timeline) -> Ticks:
    """For each key frame, the index of the first frame shown at or after it."""
    return np.searchsorted(timeline.pts, timeline.key_pts).astype(np.int64)


def _starts(frames: int, segments: list[int], keys: set[int], most: int) -> Iterator[int]:
    """Where ranges begin: what is left is shared out evenly, each cut at a segment, one at a key frame if near."""
    at = 0
    while at < frames:
        yield at
        left = frames - at
        if left <= most:
            return
        even = at + -(-left // -(-left // most))
        low, high = at + max(1, round(NEAR * (even - at))), at + most
        fitting = segments[bisect_right(segments, at) : bisect_right(segments, high)]
        near = [start for start in fitting if start >= low and start in keys]
        if fitting:
            at = min(near or fitting, key=lambda start: (abs(start - even), start))
        else:
            at = next(iter(segments[bisect_right(segments, at) :]), frames)


def _range(timeline: Timeline, first: int, following: int, segments: list[int]) -> FrameRange:
    pts = timeline.pts
    from_pts = int(pts[first])
    key = max(int(np.searchsorted(timeline.key_pts, from_pts, side="right")) - 1, 0)
    key_pts = int(timeline.key_pts[key]) if len(timeline.key_pts) else from_pts
    inside = segments[bisect_right(segments, first) : bisect_left(segments, following)]
    return FrameRange(
        first=first,
        frames=following - first,
        key_pts=min(key_pts, from_pts),
        from_pts=from_pts,
        to_pts=int(pts[following]) if following < timeline.frames else timeline.end,
        preroll=max(first - int(np.searchsorted(pts, key_pts)), 0),
        cuts=tuple(start - first for start in inside),
    )
