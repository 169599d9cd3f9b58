"""What is known of a video without looking at its pictures: sizes, colours, times, tracks."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

type Ticks = npt.NDArray[np.int64]
"""(N,) int64: times in ticks of the video's time base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Pixels of one picture."""
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """How sample values mean colours, as numbered by ITU-T H.273 (the range as FFmpeg numbers it).

    `range` is 0 (not said), 1 (limited, 16 to 235) or 2 (full, 0 to 255). `matrix`, `primaries` and `transfer`
    are 2 when the file does not say.
    """

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How a picture is turned for display: first mirrored left to right, if so, then turned counter-clockwise."""

    quarter_turns: int = 0
    mirrored: bool = False

    @property
    def degrees(self) -> int:
        """Counter-clockwise turn, 0, 90, 180 or 270."""
        return 90 * self.quarter_turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A stream beside the video: sound, subtitles or data. `start_s` is None when the file does not say."""

    index: int
    kind: str
    codec: str
    language: str | None
    start_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When each frame is shown, in display order, in ticks of `time_base` seconds.

    `key_pts`, ascending, are the times of the frames that decoding can start from; an edit list may hide the
    earliest of them. `end` is the tick at which the last frame ends. `exact` says that each packet gives one frame
    with the packet's own time, so that a frame which does not come out is missed.
    """

    time_base: Fraction
    pts: Ticks
    key_pts: Ticks
    end: int
    exact: bool

    @property
    def frames(self) -> int:
        """Number of displayed frames."""
        return len(self.pts)

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame's start to the last one's end."""
        return float((self.end - int(self.pts[0])) * self.time_base)

    @property
    def rate(self) -> Fraction:
        """Average frames a second, to a denominator of 100,000 at most."""
        span = (self.end - int(self.pts[0])) * self.time_base
        return (Fraction(self.frames) / span if span > 0 else Fraction(25)).limit_denominator(100_000)

    @property
    def variable(self) -> bool:
        """Whether the frames are not evenly spaced: some time is off the even grid by more than its rounding."""
        if self.frames < 3:
            return False
        even = np.linspace(self.pts[0], self.pts[-1], self.frames)
        return bool(np.abs(self.pts - even).max() > 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """All that is found in a video file before it is scored.

    `size` is that of the stored frames, before `orientation` (from `matrix`, the nine numbers of FFmpeg's display
    matrix) turns them and `sample_aspect` (width of a pixel through its height) stretches them. `rate` is in frames a
    second: the nominal one, or the average of a variable rate.
    `declared_frames` is the header's count, 0 when it has none. `lost_frames` were declared but are not whole in
    the file; `undecodable_head` stood before the first frame that decodes.
    """

    container: str
    format: str
    codec: str
    stream: int
    size: Size
    pixel_format: str
    bit_depth: int
    colour: Colour
    sample_aspect: Fraction
    matrix: tuple[int, ...] | None
    orientation: Orientation
    interlaced: bool
    timeline: Timeline
    rate: Fraction
    declared_frames: int
    lost_frames: int
    undecodable_head: int
    tracks: tuple[Track, ...]
    other_videos: int
