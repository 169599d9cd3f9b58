"""Encode frames as H.264, so that segments made on different machines join into one stream.

Each segment is closed: it begins with an IDR frame, refers to nothing outside, and has an encoder of its own, so that
its bytes do not depend on what was encoded before it. There are no B-frames and no
look-ahead, so that a frame's packet leaves with the frame and its decoding time is its display time. The number of
threads is part of the settings: x264 gives the same bytes for the same frames, settings and threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from dropscore.workloads.media.colour import Pixels, from_rgb, stored_colour
from dropscore.workloads.media.facts import Colour, Size

KEY_FRAME_S: Final = 5
"""Seconds between key frames within a segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeSpec:
    """How frames become packets. Times are ticks of `time_base`; `rate` in frames a second guides the encoder.

    `crf` and `preset` are x264's. `colour` are the tags of the input.
    """

    size: Size
    time_base: Fraction
    rate: Fraction
    colour: Colour
    sample_aspect: Fraction = Fraction(1)
    crf: int
    preset: str
    threads: int = 1


def pixel_format_of(size: Size) -> str:
    """The frame format for a size: 4:2:0 where both sides are even, else 4:4:4, which can hold odd sizes."""
    return "yuv420p" if size.width % 2 == 0 and size.height % 2 == 0 else "yuv444p"


class SegmentEncoder:
    """Encodes frames, given in display order, into a new stream of `container`: one segment, or several."""

    def __init__(self, container: OutputContainer, spec: EncodeSpec) -> None:
        self._spec = spec
        self._format = pixel_format_of(spec.size)
        self._stream = container.add_stream("libx264", rate=spec.rate, options=_options(spec))
        self._stream.time_base = spec.time_base
        self._context = self._stream.codec_context
        self._set_up(self._context)
        self._start = 0

    def begin_segment(self, pts: int) -> "Iterator[Packet[VideoStream]]":
        """Begin a further segment, whose first frame is shown at `pts`; gives what the last one still held."""
        yield from self.finish()
        context = av.CodecContext.create("libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.framerate, context.options = self._spec.rate, _options(self._spec)
        context.flags |= Flags.global_header  # as the container's own encoder has it: headers stand in the file's
        self._set_up(context)
        self._context, self._start = context, pts

    def write(self, pts: int, pixels: Pixels) -> "Iterator[Packet[VideoStream]]":
        """Encode (H, W, 3) RGB uint8 shown at `pts`; gives its packet."""
        colour = stored_colour(self._spec.colour)
        yield from self.write_frame(pts, from_rgb(pixels, colour, self._spec.size, pixel_format=self._format))

    def write_frame(self, pts: int, frame: av.VideoFrame) -> "Iterator[Packet[VideoStream]]":
        """Encode a frame that is already in the encoder's format."""
        frame.pts, frame.time_base = pts - self._start, self._spec.time_base
        yield from self._packets(frame)

    def finish(self) -> "Iterator[Packet[VideoStream]]":
        """What the encoder still holds: nothing, with the settings above, but an encoder may change its mind."""
        yield from self._packets(None)

    def _set_up(self, context: VideoCodecContext) -> None:
        spec = self._spec
        context.width, context.height, context.pix_fmt = spec.size.width, spec.size.height, self._format
        context.time_base = spec.time_base
        context.gop_size = max(round(KEY_FRAME_S * spec.rate), 1)
        context.max_b_frames = 0
        context.sample_aspect_ratio = spec.sample_aspect
        colour = stored_colour(spec.colour)
        context.color_range, context.colorspace = colour.range, colour.matrix
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer

    def _packets(self, frame: av.VideoFrame | None) -> "Iterator[Packet[VideoStream]]":
        """Packets of a frame, their times those of the stream: an encoder's own begin at its segment's start."""
        for packet in self._context.encode(frame):
            packet.stream, packet.time_base = self._stream, self._spec.time_base
            assert packet.pts is not None
            packet.pts = packet.dts = packet.pts + self._start
            yield packet


def _options(spec: EncodeSpec) -> dict[str, str]:
    x264 = {
        "threads": spec.threads,
        "lookahead-threads": 1,
        "sliced-threads": int(spec.threads > 1),
        "rc-lookahead": 0,
        "sync-lookahead": 0,
        "mbtree": 0,
        "bframes": 0,
        "open-gop": 0,
    }
    params = ":".join(f"{name}={value}" for name, value in x264.items())
    return {"preset": spec.preset, "crf": str(spec.crf), "x264-params": params}
