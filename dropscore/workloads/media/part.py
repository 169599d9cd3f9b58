"""The part of a shard of video: one small MP4 file, which any player shows.

Track 0 holds the styled frames, then (optionally) a track with the comparison, last a track of small JPEG pictures
for the report. Times count from the shard's first frame in ticks of the video's time base, and survive exactly.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from dropscore.contracts.base import Json
from dropscore.workloads.base import PartFile
from dropscore.workloads.media.colour import Pixels
from dropscore.workloads.media.encode import EncodeSpec, SegmentEncoder
from dropscore.workloads.media.facts import Orientation
from dropscore.workloads.media.flicker import FlickerMeter
from dropscore.workloads.media.sheet import small_picture, thumbnail
from dropscore.workloads.media.side_by_side import Comparer

SUFFIX = "mp4"
MEDIA_TYPE = "video/mp4"

WRITE_BYTES = 1 << 20
"""Bytes that FFmpeg hands over at a time."""

FRAMES_PER_PICTURE = 24
MOST_PICTURES = 4
"""Pairs of report pictures in one part, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSpec:
    """What a part is made of: `frames` frames shown from `from_pts` (inclusive) to `to_pts` (exclusive).

    `cuts` are the frames (0-based) at which a further segment begins.
    """

    encode: EncodeSpec
    orientation: Orientation
    frames: int
    from_pts: int
    to_pts: int
    compare: bool
    cuts: tuple[int, ...] = ()


def picture_frames(frames: int) -> tuple[int, ...]:
    """Which frames of a part (0-based) have their picture in the report: evenly spread, first and last left out."""
    pictures = min(max(frames // FRAMES_PER_PICTURE, 1), MOST_PICTURES)
    return tuple((2 * nth + 1) * frames // (2 * pictures) for nth in range(pictures))


class VideoPart:
    """Writes a part. Frames are added in display order; `finish` gives the file."""

    def __init__(self, spec: PartSpec) -> None:
        self._spec = spec
        self._file = io.BytesIO()
        time_base = spec.encode.time_base
        options = {
            "fflags": "+bitexact",
            "max_interleave_delta": "100000",  # microseconds: the sparse pictures shall not hold back the frames
            "video_track_timescale": str(time_base.denominator),
            "use_editlist": "0",
            "write_btrt": "0",  # the bit rate differs from part to part; all else in a track's description must not
        }
        self._container = av.open(self._file, "w", format="mp4", container_options=options, buffer_size=WRITE_BYTES)
        self._main = SegmentEncoder(self._container, spec.encode)
        comparer = Comparer(spec.encode, spec.orientation) if spec.compare else None
        self._comparer = comparer
        self._comparison = SegmentEncoder(self._container, comparer.spec) if comparer else None
        self._pictures = cast("VideoStream", self._container.add_mux_stream("mjpeg", width=16, height=16))
        self._pictures.time_base = time_base
        self._cuts = frozenset(spec.cuts)
        self._pictured = frozenset(picture_frames(spec.frames))
        self._flicker = FlickerMeter()
        self._last_pts = spec.from_pts - 1
        self._frames = 0
        self._pictures_written = 0
        self._thumbnail: str | None = None

    def add(self, pts: int, before: Pixels, after: Pixels) -> None:
        """The next frame, shown at `pts`: its input and its result, both (H, W, 3) RGB uint8 of the video's size.

        Raises ValueError when it comes out of order, has another size, or is one too many.
        """
        self._check(pts, after)
        relative = pts - self._spec.from_pts
        if self._frames in self._cuts:
            self._begin_segment(relative)
        self._mux(self._main.write(relative, after))
        if self._comparer is not None and self._comparison is not None:
            self._mux(self._comparison.write_frame(relative, self._comparer.compare(before, after)))
        if self._frames in self._pictured:
            self._add_pictures(before, after)
        self._flicker.add(before, after)
        self._last_pts = pts
        self._frames += 1

    def finish(self) -> PartFile:
        """The part. Raises ValueError when frames are missing."""
        if self._frames != self._spec.frames:
            raise ValueError(f"{self._frames} frames were written of {self._spec.frames}")
        self._mux(self._main.finish())
        if self._comparison is not None:
            self._mux(self._comparison.finish())
        self._container.close()
        metrics: Mapping[str, Json] = {
            "flicker": self._flicker.total.to_json(),
            "frames": self._frames,
            "picture": self._thumbnail,
        }
        return PartFile(data=self._file.getvalue(), suffix=SUFFIX, media_type=MEDIA_TYPE, metrics=metrics)

    def abort(self) -> None:
        """Throw away what was written."""
        self._file.close()

    def _check(self, pts: int, after: Pixels) -> None:
        size, spec = self._spec.encode.size, self._spec
        if after.shape != (size.height, size.width, 3):
            raise ValueError(f"a result of shape {after.shape} for frames of {size}")
        at_start = self._frames > 0 or pts == spec.from_pts
        if not (at_start and self._last_pts < pts < spec.to_pts and self._frames < spec.frames):
            raise ValueError(f"frame {self._frames} of {spec.frames}, shown at {pts}, is out of order")

    def _begin_segment(self, relative: int) -> None:
        """Forget everything that could make this segment's bytes or figures depend on the one before."""
        self._mux(self._main.begin_segment(relative))
        if self._comparison is not None:
            self._mux(self._comparison.begin_segment(relative))
        self._flicker.cut()

    def _mux(self, packets: "Iterator[Packet[VideoStream]]") -> None:
        """Write packets. Each one's duration reaches to the shard's end: the muxer shortens it when another comes."""
        for packet in packets:
            packet.duration = self._spec.to_pts - self._spec.from_pts - (packet.pts or 0)
            self._container.mux_one(packet)

    def _add_pictures(self, before: Pixels, after: Pixels) -> None:
        """Two pictures of the present frame, original and result. Their times only count them. The first result is
        also told in small, with the verdict, for those who watch the run.
        """
        encode = self._spec.encode
        for pixels in (before, after):
            jpeg = small_picture(pixels, sample_aspect=encode.sample_aspect, orientation=self._spec.orientation)
            packet = Packet(jpeg)
            packet.stream, packet.time_base, packet.is_keyframe = self._pictures, encode.time_base, True
            packet.pts = packet.dts = self._pictures_written
            self._pictures_written += 1
            self._container.mux_one(packet)
        self._thumbnail = self._thumbnail or thumbnail(jpeg)
