"""What a damaged frame takes along. Pure.

A frame is built on frames that were decoded before it, also on some that are shown after it. So with a damaged one
falls whatever is decoded later, up to the next key frame: decoders show those frames without a word, and they are
wrong. The frames that fall are one run in the order in which they are shown.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple


class Coded(NamedTuple):
    """A packet: when its frame is shown, in ticks, and whether decoding can start there."""

    pts: int
    key: bool


class Fallen(NamedTuple):
    """Frames shown from `start` (inclusive) to `end` (exclusive; None: to the end)."""

    start: int
    end: int | None

    def __contains__(self, pts: object) -> bool:
        """Whether the frame shown at `pts` falls."""
        return isinstance(pts, int) and self.start <= pts and (self.end is None or pts < self.end)


def fallen(coded: Sequence[Coded], bad: Collection[int]) -> Fallen:
    """What falls with the frames that are known to be bad (one or more), up to the key frame shown next after the
    first of them; bad ones behind that are another damage.

    `coded` are packets in the order of decoding, `bad` the times of damaged or missing frames among them.
    """
    end = min((one.pts for one in coded if one.key and one.pts > min(bad)), default=None)
    together = [pts for pts in bad if end is None or pts < end]
    first = min((place for place, one in enumerate(coded) if one.pts in together), default=0)
    return Fallen(min((one.pts for one in coded[first:] if end is None or one.pts < end), default=min(bad)), end)
