"""Join parts into videos by copying packets: nothing is encoded again.

Sound, subtitles, chapters and tags come from the source, bit for bit and with their own times; the picture keeps
the source's times, so that both stay as far apart as they were. Several videos (the result, the comparison) are
written in one pass over the parts.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard

from dropscore.workloads.base import Binary
from dropscore.workloads.media.files import GuardedFile
from dropscore.workloads.media.opening import Use, open_container, sniff_file
from dropscore.workloads.media.parts import Part

type AnyPacket = Packet[Any]

_MAX_TIMESCALE: Final = 2**31 - 1

_OWN_TAGS: Final = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})
"""Tags that describe the source's container, not its content."""


class JoinError(Exception):
    """The parts do not fit together; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One shard's part and its place in the video.

    It holds `frames` frames shown from `from_pts` to `to_pts` (exclusive), in ticks of the video.
    """

    part: Part
    frames: int
    from_pts: int
    to_pts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A video to write: from which track of the parts, where, as which of FFmpeg's containers, turned by which
    display matrix.
    """

    path: Path
    track: int
    format: str
    matrix: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The video that the parts were made from. `copied` are the numbers of its streams that come along."""

    file: Binary
    name: str
    stream: int
    copied: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What was written to each target. `pts` are the frames' times in ticks of the video's time base; `copies_cut`
    says that damage in the source ended the copied streams early.
    """

    pts: tuple[int, ...]
    copied_packets: int
    copies_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A frame to write: its place in a part, its time and its duration in ticks."""

    time_s: float
    placed: Placed
    number: int
    pts: int
    duration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A packet of the source's stream `stream`, to write as it is."""

    time_s: float
    stream: int
    packet: "AnyPacket"


type _Thing = _Frame | _Copy


def join(targets: Sequence[Target], time_base: Fraction, placed: Iterable[Placed], source: Source) -> Joined:
    """Write the targets from parts, in order, and the copied streams of the source.

    Raises `JoinError` when a part lacks frames, overlaps the one before or was encoded differently, and
    whatever reading the source raises.
    """
    waiting = iter(placed)
    first = next(waiting, None)
    if first is None:
        raise JoinError("there is no part")
    guarded = GuardedFile(source.file)
    pts: list[int] = []
    copies = _Copies(source.copied)
    with ExitStack() as stack:
        origin = stack.enter_context(open_container(guarded, sniff_file(source.file), source.name, use=Use.COPY))
        outputs = [_Output(stack, target, time_base, first, origin, source) for target in targets]
        frames = _frames(first, waiting, time_base, [target.track for target in targets])
        things: Iterator[_Thing] = heapq.merge(frames, copies.packets(origin), key=lambda thing: thing.time_s)
        for thing in things:
            for output in outputs:
                output.write(thing)
            if isinstance(thing, _Frame):
                pts.append(thing.pts)
        guarded.check()
    return Joined(pts=tuple(pts), copied_packets=copies.count, copies_cut=copies.cut)


class _Output:
    """One target, open for writing."""

    def __init__(
        self,
        stack: ExitStack,
        target: Target,
        time_base: Fraction,
        first: Placed,
        origin: InputContainer,
        source: Source,
    ) -> None:
        template = stack.enter_context(av.open(BytesIO(first.part.header), "r", format="mov"))
        options = _options(target.format, time_base, origin, source.copied)
        self._out = stack.enter_context(av.open(str(target.path), "w", format=target.format, container_options=options))
        self._track, self._base = target.track, time_base
        self._picture = self._out.add_stream_from_template(template.streams.video[target.track])
        self._picture.time_base = Fraction(1, time_base.denominator)
        self._picture.set_display_matrix(target.matrix)
        self._picture.metadata.update(_tags(origin.streams[source.stream].metadata))
        self._copied = {index: self._add_copied(origin, index) for index in source.copied}
        self._out.metadata.update(_tags(origin.metadata))
        self._out.set_chapters(origin.chapters())

    def write(self, thing: _Thing) -> None:
        """Write a frame, or a packet of a copied stream."""
        self._out.mux_one(self._packet_of(thing) if isinstance(thing, _Frame) else self._redirected(thing))

    def _add_copied(self, origin: InputContainer, index: int) -> Any:
        original = origin.streams[index]
        stream = self._out.add_stream_from_template(original, opaque=True)
        stream.metadata.update(_tags(original.metadata))
        stream.disposition = original.disposition
        return stream

    def _packet_of(self, frame: _Frame) -> "AnyPacket":
        part = frame.placed.part
        packet: AnyPacket = Packet(part.packet(self._track, frame.number))  # type: ignore[arg-type]  # any buffer will do
        packet.stream, packet.time_base = self._picture, self._base
        packet.pts = packet.dts = frame.pts
        packet.duration = frame.duration
        packet.is_keyframe = frame.number in part.tracks[self._track].keys
        return packet

    def _redirected(self, copy: _Copy) -> "AnyPacket":
        """The packet, addressed to this output."""
        copy.packet.stream = self._copied[copy.stream]
        return copy.packet


def _frames(first: Placed, waiting: Iterator[Placed], time_base: Fraction, tracks: Sequence[int]) -> Iterator[_Frame]:
    """The frames of all parts."""
    descriptions = [first.part.tracks[track].description for track in tracks]
    last: int | None = None
    tick_s = float(time_base)
    for placed in itertools.chain((first,), waiting):
        for track, description in zip(tracks, descriptions, strict=True):
            if placed.part.tracks[track].description != description:
                raise JoinError("a part was encoded with other settings, or by another encoder, than the first")
        times = _times(placed, time_base, tracks, last)
        ends = [*times[1:], placed.to_pts]
        for number, (pts, end) in enumerate(zip(times, ends, strict=True)):
            yield _Frame(time_s=pts * tick_s, placed=placed, number=number, pts=pts, duration=end - pts)
        last = times[-1]


def _times(placed: Placed, time_base: Fraction, tracks: Sequence[int], last: int | None) -> list[int]:
    """The times of a part's frames in ticks of the video, checked on every track."""
    times: list[int] = []
    for track in (placed.part.tracks[number] for number in tracks):
        times = (track.pts // time_base.numerator + placed.from_pts).tolist()
        if track.timescale != time_base.denominator or len(times) != placed.frames or 0 not in track.keys:
            raise JoinError(f"a part holds {len(times)} frames where {placed.frames} belong")
        ordered = all(now < after for now, after in zip(times, [*times[1:], placed.to_pts], strict=True))
        if not ordered or times[0] != placed.from_pts or (last is not None and times[0] <= last):
            raise JoinError(f"the frames from tick {placed.from_pts} on are out of order")
    return times


class _Copies:
    """The packets of the copied streams: how many there were, and whether damage ended them early."""

    def __init__(self, streams: Sequence[int]) -> None:
        self._streams = streams
        self.count = 0
        self.cut = False

    def packets(self, origin: InputContainer) -> Iterator[_Copy]:
        """The packets in the source's order. Times that do not rise, which no muxer takes, are moved on by a tick."""
        last: dict[int, int] = {}
        for packet in self._read(origin):
            index, dts = packet.stream.index, packet.dts if packet.dts is not None else packet.pts
            if packet.size == 0 or packet.is_corrupt or dts is None:
                continue
            packet.dts = last[index] = max(dts, last.get(index, dts - 1) + 1)
            packet.pts = max(packet.pts, packet.dts) if packet.pts is not None else packet.dts
            base = packet.time_base
            self.count += 1
            yield _Copy(time_s=packet.dts * base.numerator / base.denominator, stream=index, packet=packet)

    def _read(self, origin: InputContainer) -> "Iterator[AnyPacket]":
        if not self._streams:
            return
        for stream in origin.streams:
            stream.discard = Discard.default if stream.index in self._streams else Discard.all
        try:
            yield from origin.demux([origin.streams[index] for index in self._streams])
        except av.FFmpegError:
            self.cut = True


def _options(format_: str, time_base: Fraction, origin: InputContainer, copied: Sequence[int]) -> dict[str, str]:
    """Muxer options: the index first, the video's own ticks, and edit lists as exact as the finest of all ticks."""
    if format_ == "matroska":
        return {"fflags": "+bitexact", "cues_to_front": "1"}
    finest = time_base.denominator
    for index in copied:
        finer = math.lcm(finest, origin.streams[index].time_base.denominator)
        finest = finer if finer <= _MAX_TIMESCALE else finest
    return {
        "fflags": "+bitexact",
        "movflags": "+faststart",
        "write_btrt": "0",  # FFmpeg would state the first part's bit rate, and so how the shards were cut
        "video_track_timescale": str(time_base.denominator),
        "movie_timescale": str(finest),
    }


def _tags(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower() not in _OWN_TAGS}
