"""Cut a video into ranges of frames that can be decoded each on its own. Pure.

Ranges cover every displayed frame once, in display order. They begin at key frames where one is near; else inside
a group of pictures, whose frames from its key frame on are decoded and dropped first (the pre-roll).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dropscore.workloads.media.facts import Ticks, Timeline

NEAR = 0.5
"""A range may be cut short to this share of its size so that the next one begins at a key frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRange:
    """Frames `first` to `first + frames - 1` of a video, in display order.

    Decoding starts at the key frame shown at `key_pts`; frames shown from `from_pts` (inclusive) to `to_pts`
    (exclusive) belong to the range. `preroll` frames shown before them are decoded and dropped. Times are ticks.
    """

    first: int
    frames: int
    key_pts: int
    from_pts: int
    to_pts: int
    preroll: int


def cut(timeline: Timeline, most: int) -> tuple[FrameRange, ...]:
    """Cut a video into ranges of at most `most` frames (1 or more)."""
    starts = [*_starts(timeline.frames, _key_indices(timeline), most), timeline.frames]
    return tuple(_range(timeline, first, following) for first, following in pairwise(starts))


def dropped_frames(timeline: Timeline, most: int) -> int:
    """Frames that are decoded only to be dropped, over all ranges, when ranges hold at most `most` frames."""
    return sum(part.preroll for part in cut(timeline, most))


def _key_indices(timeline: Timeline) -> Ticks:
    """For each key frame, the index of the first frame shown at or after it."""
    return np.searchsorted(timeline.pts, timeline.key_pts).astype(np.int64)


def _starts(frames: int, keys: Ticks, most: int) -> Iterator[int]:
    """Where ranges begin: what is left is shared out evenly, each cut moved to a key frame if one is near."""
    at = 0
    while at < frames:
        yield at
        left = frames - at
        if left <= most:
            return
        even = at + -(-left // -(-left // most))
        low, high = at + max(1, round(NEAR * (even - at))), at + most
        near = keys[np.searchsorted(keys, low) : np.searchsorted(keys, high, side="right")]
        at = int(near[np.abs(near - even).argmin()]) if len(near) else even


def _range(timeline: Timeline, first: int, following: int) -> FrameRange:
    pts = timeline.pts
    from_pts = int(pts[first])
    key = max(int(np.searchsorted(timeline.key_pts, from_pts, side="right")) - 1, 0)
    key_pts = int(timeline.key_pts[key]) if len(timeline.key_pts) else from_pts
    return FrameRange(
        first=first,
        frames=following - first,
        key_pts=min(key_pts, from_pts),
        from_pts=from_pts,
        to_pts=int(pts[following]) if following < timeline.frames else timeline.end,
        preroll=max(first - int(np.searchsorted(pts, key_pts)), 0),
    )
