"""Look at the frames of a range as a decoder gives them, and at the packets it gets."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.codec.context import ThreadType
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from dropscore.workloads.media.damage import Coded, Fallen, fallen
from dropscore.workloads.media.facts import Colour, Size
from dropscore.workloads.media.opening import OpenVideo
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
class Seen:
    """A frame that came out, or (None) one that should have. `whole` is False for damage."""

    pts: int | None
    frame: av.VideoFrame | None
    whole: bool


class View:
    """The frames of a range as they come out of the decoder, and a memory of the packets that went in.

    Frames are known by the times of their packets, so that a frame which does not come out, or comes out damaged, is
    missed and named instead of shifting all that follow. More than one of `threads` decode several frames at once.
    """

    def __init__(self, opened: OpenVideo, spec: DecodeSpec, threads: int = 1) -> None:
        _prepare(opened, threads)
        self._opened = opened
        self._spec = spec
        self._packets = _packets(opened, spec)
        self._coded: list[Coded] = []
        self._inside = 0
        """Packets of the range that were seen."""
        self._due: list[int] = []
        """Heap of times of frames that are to come out: the range's, and those on which some of it may be built."""
        self.frames = self._see()
        """The frames from the range's key frame on, in display order, until nothing more can matter to the range."""

    @property
    def awaits_more(self) -> bool:
        """Whether frames are still to come on which the range may be built."""
        return bool(self._due)

    def _see(self) -> Iterator[Seen]:
        for packet in self._packets:
            self._note(packet)
            for seen in _out_of(self._opened, packet, exact=self._spec.exact):
                yield from self._overdue(seen.pts)
                if seen.pts is None or seen.pts >= self._spec.key_pts:
                    yield seen
                if seen.pts is not None and seen.pts >= self._spec.to_pts and not self._due:
                    return
        yield from self._overdue(None)

    def packets(self) -> Sequence[Coded]:
        """The packets from the range's key frame on, in the order of decoding, up to the last of the range."""
        while self._inside < self._spec.frames and (packet := next(self._packets, None)) is not None:
            self._note(packet)
        return self._coded

    def lost_with(self, seen: Seen) -> Fallen | None:
        """What falls with a bad frame that was just seen; None when that cannot be known. No frames come after."""
        if not self._spec.exact or seen.pts is None:
            return None
        bad = {seen.pts, *self._also_bad()}
        return fallen(self.packets(), bad)

    def _also_bad(self) -> Iterator[int]:
        """Of the frames that were to come out next, those that are bad too."""
        waiting = set(self._due)
        while waiting & set(self._due) and (seen := next(self.frames, None)) is not None:
            if not seen.whole and seen.pts in waiting:
                yield seen.pts

    def _note(self, packet: "Packet[VideoStream]") -> None:
        pts, spec = _pts(packet), self._spec
        if not packet.size or packet.is_discard or pts < spec.key_pts:
            return
        if spec.exact and self._inside < spec.frames:
            heapq.heappush(self._due, pts)
        self._coded.append(Coded(pts, packet.is_keyframe))
        self._inside += spec.from_pts <= pts < spec.to_pts

    def _overdue(self, pts: int | None) -> Iterator[Seen]:
        """Frames that should have come before the one shown at `pts` (all of them when it is None).

        Raises what reading the file raised: bytes that storage did not give are no damage.
        """
        while self._due and (pts is None or self._due[0] <= pts):
            late = heapq.heappop(self._due)
            if late != pts:
                self._opened.file.check()
                yield Seen(pts=late, frame=None, whole=False)


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


def _out_of(opened: OpenVideo, packet: "Packet[VideoStream]", *, exact: bool) -> Iterator[Seen]:
    """What the decoder gives for a packet. In exact mode a packet that it refuses is found by its absence."""
    try:
        frames = opened.stream.decode(packet if packet.size else None)
    except av.FFmpegError:
        opened.file.check()
        if not exact:
            yield Seen(pts=None, frame=None, whole=False)
        return
    for frame in frames:
        yield Seen(pts=time_of(frame), frame=frame, whole=not frame.is_corrupt)


def _pts(packet: "Packet[VideoStream]") -> int:
    time_ = packet.pts if packet.pts is not None else packet.dts
    return time_ if time_ is not None else 0
