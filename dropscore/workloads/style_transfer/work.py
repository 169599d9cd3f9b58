"""What planner, worker and stitcher tell each other about a shard (in its message) and about an input (in the plan).

Times are in ticks of the video's time base; a ratio is (numerator, denominator); a size is (width, height).
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dropscore.contracts.base import Contract, Count, Sha256
from dropscore.contracts.codec import decode
from dropscore.contracts.plan import ShardSpec
from dropscore.workloads.media.decode import DecodeSpec
from dropscore.workloads.media.encode import EncodeSpec
from dropscore.workloads.media.facts import Colour, Orientation, Size, Ticks, VideoFacts
from dropscore.workloads.media.part import PartSpec
from dropscore.workloads.media.ranges import FrameRange
from dropscore.workloads.style_transfer.options import StyleTransferOptions

type Positive = Annotated[int, Field(ge=1)]
type Ratio = tuple[Count, Positive]


class VideoWork(Contract):
    """A shard of a video: the frames shown from `start` (inclusive) to `end` (exclusive) of stream `stream`.

    Decoding begins at the key frame shown at `key`; `exact` as in `media.facts.Timeline`. The rest says what
    the frames are like and goes into the output unchanged.
    """

    kind: Literal["video"] = "video"
    stream: Count
    key: int
    start: int
    end: int
    exact: bool
    size: tuple[Positive, Positive]
    base: Ratio
    """Seconds of a tick."""
    rate: Ratio
    aspect: Ratio
    """Width of a pixel through its height."""
    colour: tuple[int, int, int, int]
    """Range, matrix, primaries, transfer (`media.facts.Colour`)."""
    turns: Count = 0
    mirrored: bool = False
    cuts: tuple[Positive, ...] = ()
    """Frames of the shard, counted from 0, at which a further segment begins (`media.ranges`)."""

    @classmethod
    def of(cls, facts: VideoFacts, part: FrameRange) -> "VideoWork":
        """The work of one range of a video."""
        colour = facts.colour
        return cls(
            stream=facts.stream,
            key=part.key_pts,
            start=part.from_pts,
            end=part.to_pts,
            exact=facts.timeline.exact,
            size=(facts.size.width, facts.size.height),
            base=facts.timeline.time_base.as_integer_ratio(),
            rate=facts.rate.as_integer_ratio(),
            aspect=facts.sample_aspect.as_integer_ratio(),
            colour=(colour.range, colour.matrix, colour.primaries, colour.transfer),
            turns=facts.orientation.quarter_turns,
            mirrored=facts.orientation.mirrored,
            cuts=part.cuts,
        )

    @property
    def frame_size(self) -> Size:
        """The size of the stored frames."""
        return Size(width=self.size[0], height=self.size[1])

    @property
    def colours(self) -> Colour:
        """How samples mean colours."""
        range_, matrix, primaries, transfer = self.colour
        return Colour(range=range_, matrix=matrix, primaries=primaries, transfer=transfer)

    def to_decode(self, frames: int) -> DecodeSpec:
        """What to decode; `frames` are the shard's items."""
        return DecodeSpec(
            stream=self.stream,
            key_pts=self.key,
            from_pts=self.start,
            to_pts=self.end,
            frames=frames,
            exact=self.exact,
            size=self.frame_size,
            colour=self.colours,
        )

    def to_part(self, frames: int, options: StyleTransferOptions) -> PartSpec:
        """What the part is made of; `frames` are the shard's items."""
        encode = EncodeSpec(
            size=self.frame_size,
            time_base=Fraction(*self.base),
            rate=Fraction(*self.rate),
            colour=self.colours,
            sample_aspect=Fraction(*self.aspect),
            crf=options.crf,
            preset=options.preset.value,
            threads=options.encoder_threads,
        )
        return PartSpec(
            encode=encode,
            orientation=Orientation(quarter_turns=self.turns % 4, mirrored=self.mirrored),
            frames=frames,
            from_pts=self.start,
            to_pts=self.end,
            compare=options.side_by_side,
            cuts=self.cuts,
        )


class PictureWork(Contract):
    """A shard of pictures of one size: `runs` of lines of `inputs.jsonl`, each (first line, count)."""

    kind: Literal["pictures"] = "pictures"
    runs: Annotated[tuple[tuple[Count, Positive], ...], Field(min_length=1)]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The lines, in order: one for each item."""
        return tuple(line for first, count in self.runs for line in range(first, first + count))


class VideoOutline(Contract):
    """What the stitcher must know of a video besides its shards."""

    stream: Count
    base: Ratio
    """Seconds of a tick."""
    matrix: tuple[int, ...] | None
    """Display matrix."""
    copied: tuple[Count, ...]
    """Streams of the source that come along unchanged."""
    container: str
    """FFmpeg's name of the output's container."""
    suffix: str
    """Suffix of the output's name, without a dot."""
    times_sha256: Sha256
    """SHA-256 of the frames' times as little-endian 64-bit numbers: what the joined video is held to."""


class PlanFacts(Contract):
    """What the plan keeps for the stitcher: the outline of each video, by the number of its input."""

    videos: dict[str, VideoOutline] = {}


def work_of(shard: ShardSpec) -> VideoWork | PictureWork:
    """A shard's work. Raises `ContractError` when it is neither."""
    if shard.work.get("kind") == "pictures":
        return decode(PictureWork, shard.work)
    return decode(VideoWork, shard.work)


def times_digest(times: Sequence[int] | Ticks) -> str:
    """SHA-256 of times in ticks, as little-endian 64-bit numbers."""
    return hashlib.sha256(np.asarray(times, dtype="<i8").tobytes()).hexdigest()
