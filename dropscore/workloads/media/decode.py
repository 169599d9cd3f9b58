"""Decode the frames of a range, exactly those, in order, as RGB.

Frames are known by the times of their packets, so that a frame which does not come out of the decoder, or comes
out damaged, is missed and named instead of shifting all that follow.
"""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.codec.context import ThreadType
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import Binary
from dropscore.workloads.media.colour import Pixels, frame_colour, to_rgb
from dropscore.workloads.media.facts import Colour, Size
from dropscore.workloads.media.opening import OpenVideo, open_video
from dropscore.workloads.media.scan import STRICT_DECODING, time_of

_EARLIER_S = (0, 1, 10, 60)
"""How much before the key frame to seek, in seconds, one after the other, until a seek lands before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSpec:
    """Which frames to decode: those of stream `stream` shown from `from_pts` (inclusive) to `to_pts` (exclusive).

    There are `frames` of them; decoding starts at the key frame shown at `key_pts`. `exact` as in `Timeline`.
    Frames come out in `size`; `colour` holds for frames without tags of their own.
    """

    stream: int
    key_pts: int
    from_pts: int
    to_pts: int
    frames: int
    exact: bool
    size: Size
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A frame: when it is shown, (H, W, 3) RGB uint8, and the seconds spent on it (reading its bytes included)."""

    pts: int
    pixels: Pixels
    decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A frame that came out, or (None) one that should have. `whole` is False for damage."""

    pts: int | None
    frame: av.VideoFrame | None
    whole: bool


def decode_range(file: Binary, name: str, spec: DecodeSpec, *, first_item: int, threads: int = 1) -> Iterator[Decoded]:
    """Decode a range. More than one of `threads` decode several frames at once.

    Raises `FailedError` E-INPUT-CORRUPT with `item` (that of the first frame is `first_item`) at a frame that is
    damaged, or missing, or built on a damaged one before the range.
    """
    done = 0
    began = time.perf_counter()
    for seen in _see(file, name, spec, threads):
        if not seen.whole or seen.frame is None or seen.pts is None:
            raise _corrupt(name, first_item + done, before=seen.pts is not None and seen.pts < spec.from_pts)
        if seen.pts < spec.from_pts:
            continue
        if done == 0 and seen.pts != spec.from_pts:
            break
        pixels = to_rgb(seen.frame, frame_colour(seen.frame, spec.colour), spec.size)
        yield Decoded(pts=seen.pts, pixels=pixels, decode_s=time.perf_counter() - began)
        began = time.perf_counter()
        done += 1
        if done == spec.frames:
            return
    raise _corrupt(name, first_item + done, before=False)


def decode_repaired(file: Binary, name: str, spec: DecodeSpec, *, threads: int = 1) -> Iterator[Decoded]:
    """Decode a range whatever its state: damaged frames as the decoder mends them, missing ones as a repeat of the
    one before (black at the start). Always gives `spec.frames` frames.
    """
    shown = Decoded(
        pts=spec.from_pts - 1,
        pixels=np.zeros((spec.size.height, spec.size.width, 3), dtype=np.uint8),
        decode_s=0.0,
    )
    left = spec.frames
    for seen in _see(file, name, spec, threads):
        if seen.pts is None or not shown.pts < seen.pts < spec.to_pts:
            continue
        pixels = (
            shown.pixels if seen.frame is None else to_rgb(seen.frame, frame_colour(seen.frame, spec.colour), spec.size)
        )
        shown = Decoded(pts=seen.pts if left < spec.frames else spec.from_pts, pixels=pixels, decode_s=0.0)
        yield shown
        left -= 1
        if left == 0:
            return
    after = max(shown.pts, spec.from_pts - 1)
    for nth in range(left):
        pts = after + 1 + nth * (spec.to_pts - after - 1) // left
        yield Decoded(pts=pts, pixels=shown.pixels, decode_s=0.0)


def _see(file: Binary, name: str, spec: DecodeSpec, threads: int) -> Iterator[_Seen]:
    """The frames from the range's key frame on, in display order, until the range is past."""
    with open_video(file, name, stream=spec.stream) as opened:
        _prepare(opened, threads)
        due: list[int] = []
        for packet in _packets(opened, spec):
            if spec.exact and packet.size and not packet.is_discard and spec.key_pts <= _pts(packet) < spec.to_pts:
                heapq.heappush(due, _pts(packet))
            for seen in _out_of(opened, packet, exact=spec.exact):
                yield from _overdue(opened, due, seen.pts)
                if seen.pts is not None and seen.pts >= spec.to_pts:
                    return
                if seen.pts is None or seen.pts >= spec.key_pts:
                    yield seen
        yield from _overdue(opened, due, None)


def _prepare(opened: OpenVideo, threads: int) -> None:
    opened.stream.codec_context.options = STRICT_DECODING
    opened.stream.thread_type = ThreadType.FRAME if threads > 1 else ThreadType.NONE
    opened.stream.codec_context.thread_count = threads
    for other in opened.container.streams:
        other.discard = Discard.default if other.index == opened.stream.index else Discard.all


def _packets(opened: OpenVideo, spec: DecodeSpec) -> "Iterator[Packet[VideoStream]]":
    """The packets from the key frame on (or from an earlier one), the empty packet that flushes the decoder last."""
    for earlier_s in (*_EARLIER_S, None):
        packets = _seek(opened, spec.key_pts, earlier_s)
        for packet in packets:
            if packet.is_keyframe or packet.size == 0 or earlier_s is None:
                break
        else:
            continue
        if earlier_s is None or (packet.size and _pts(packet) <= spec.key_pts):
            yield packet
            yield from packets
            opened.file.check()
            return


def _seek(opened: OpenVideo, key_pts: int, earlier_s: int | None) -> "Iterator[Packet[VideoStream]]":
    stream = opened.stream
    try:
        if earlier_s is None:
            opened.container.seek(0, any_frame=True)
        else:
            earlier = int(earlier_s / stream.time_base)
            opened.container.seek(key_pts - earlier, stream=stream)
    except av.FFmpegError:
        opened.file.check()
        return iter(())
    return opened.container.demux(stream)


def _out_of(opened: OpenVideo, packet: "Packet[VideoStream]", *, exact: bool) -> Iterator[_Seen]:
    """What the decoder gives for a packet. In exact mode a packet that it refuses is found by its absence."""
    try:
        frames = opened.stream.decode(packet if packet.size else None)
    except av.FFmpegError:
        opened.file.check()
        if not exact:
            yield _Seen(pts=None, frame=None, whole=False)
        return
    for frame in frames:
        yield _Seen(pts=time_of(frame), frame=frame, whole=not frame.is_corrupt)


def _overdue(opened: OpenVideo, due: list[int], pts: int | None) -> Iterator[_Seen]:
    """Frames that should have come before the one shown at `pts` (all of them when it is None).

    Raises what reading the file raised: bytes that storage did not give are no damage.
    """
    while due and (pts is None or due[0] <= pts):
        late = heapq.heappop(due)
        if late != pts:
            opened.file.check()
            yield _Seen(pts=late, frame=None, whole=False)


def _pts(packet: "Packet[VideoStream]") -> int:
    time_ = packet.pts if packet.pts is not None else packet.dts
    return time_ if time_ is not None else 0


def _corrupt(name: str, item: int, *, before: bool) -> FailedError:
    what = "is built on a damaged frame before it" if before else "is damaged or missing"
    message = f"item {item} of the run, a frame of {name!r}, {what} and cannot be decoded"
    return FailedError.of(Code.INPUT_CORRUPT, message, input=name, item=item)
