"""Join segments into one video by copying packets: nothing is encoded again.

Sound, subtitles, chapters and tags come from the source, bit for bit and with their own times; the picture keeps
the source's times, so that both stay as far apart as they were.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from dropscore.workloads.base import Binary
from dropscore.workloads.media.files import GuardedFile
from dropscore.workloads.media.opening import open_container, sniff_file
from dropscore.workloads.media.parts import Part

type AnyPacket = Packet[Any]

_MAX_TIMESCALE: Final = 2**31 - 1

_OWN_TAGS: Final = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})
"""Tags that describe the source's container, not its content."""


class JoinError(Exception):
    """The segments do not fit together; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One shard's frames: track `track` of a part, shown from `from_pts` to `to_pts` (exclusive), in ticks."""

    part: Part
    track: int
    frames: int
    from_pts: int
    to_pts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinSpec:
    """What the joined file is like. `format` is FFmpeg's name of the container, `matrix` its display matrix.

    `copied` are the numbers of the source's streams that come along.
    """

    format: str
    time_base: Fraction
    matrix: tuple[int, ...] | None
    copied: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What was written. `pts` are the frames' times in ticks of the spec's time base."""

    pts: tuple[int, ...]
    copied_packets: int


def join(target: Path, spec: JoinSpec, segments: Iterable[Segment], source: Binary, name: str) -> Joined:
    """Write `target` from segments, in order, and the copied streams of the source called `name` in messages.

    Raises `JoinError` when a segment lacks frames, overlaps the one before or was encoded differently, and
    whatever reading the source raises.
    """
    waiting = iter(segments)
    first = next(waiting, None)
    if first is None:
        raise JoinError("there is no segment")
    guarded = GuardedFile(source)
    with (
        open_container(guarded, sniff_file(source), name) as origin,
        av.open(BytesIO(first.part.header), "r", format="mov") as template,
        av.open(str(target), "w", format=spec.format, container_options=_options(spec, origin)) as out,
    ):
        picture = _add_picture(out, template, first, spec, origin)
        streams = _add_copied(out, origin, spec.copied)
        _copy_tags(out, origin)
        frames = _Frames(spec.time_base, picture, first.part.tracks[first.track].description)
        copied = 0
        copies = _copies(origin, streams)
        for packet in heapq.merge(frames.packets(_chain(first, waiting)), copies, key=_decode_time):
            copied += packet.stream is not picture
            out.mux_one(packet)
        guarded.check()
    return Joined(pts=tuple(frames.pts), copied_packets=copied)


class _Frames:
    """Turns segments into packets of the joined stream, and remembers the frames' times."""

    def __init__(self, time_base: Fraction, stream: VideoStream, description: bytes) -> None:
        self._base = time_base
        self._stream = stream
        self._description = description
        self.pts: list[int] = []

    def packets(self, segments: Iterable[Segment]) -> Iterator[AnyPacket]:
        for segment in segments:
            track = segment.part.tracks[segment.track]
            times = self._times(segment)
            for number, pts in enumerate(times):
                packet: AnyPacket = Packet(segment.part.packet(segment.track, number))  # type: ignore[arg-type]
                packet.stream, packet.time_base = self._stream, self._base
                packet.pts = packet.dts = pts
                packet.duration = (times[number + 1] if number + 1 < len(times) else segment.to_pts) - pts
                packet.is_keyframe = number in track.keys
                yield packet
            self.pts += times

    def _times(self, segment: Segment) -> list[int]:
        """The times of a segment's frames in ticks of the video, checked."""
        track = segment.part.tracks[segment.track]
        if track.description != self._description:
            raise JoinError("a part was encoded with other settings or another encoder than the first")
        times: list[int] = (track.pts // self._base.numerator + segment.from_pts).tolist()
        if track.timescale != self._base.denominator or len(times) != segment.frames or 0 not in track.keys:
            raise JoinError(f"a part holds {len(times)} frames where {segment.frames} belong")
        ordered = all(now < after for now, after in zip(times, [*times[1:], segment.to_pts], strict=True))
        if not ordered or (self.pts and times[0] <= self.pts[-1]):
            raise JoinError(f"the frames from {segment.from_pts} on are out of order")
        return times


def _chain(first: Segment, waiting: Iterator[Segment]) -> Iterator[Segment]:
    yield first
    yield from waiting


def _decode_time(packet: AnyPacket) -> float:
    return float(packet.dts or 0) * packet.time_base.numerator / packet.time_base.denominator


def _options(spec: JoinSpec, origin: InputContainer) -> dict[str, str]:
    """Muxer options: the index first, the video's own ticks, and edit lists as exact as the finest of all ticks."""
    if spec.format == "matroska":
        return {"fflags": "+bitexact", "reserve_index_space": "50000"}
    finest = spec.time_base.denominator
    for index in spec.copied:
        finer = math.lcm(finest, origin.streams[index].time_base.denominator)
        finest = finer if finer <= _MAX_TIMESCALE else finest
    return {
        "fflags": "+bitexact",
        "movflags": "+faststart",
        "video_track_timescale": str(spec.time_base.denominator),
        "movie_timescale": str(finest),
    }


def _add_picture(
    out: OutputContainer, template: InputContainer, first: Segment, spec: JoinSpec, origin: InputContainer
) -> VideoStream:
    stream = out.add_stream_from_template(template.streams.video[first.track])
    stream.time_base = Fraction(1, spec.time_base.denominator)
    if spec.matrix is not None:
        stream.set_display_matrix(spec.matrix)
    stream.metadata.update(_tags(origin.streams.video[0].metadata))
    return stream


def _add_copied(out: OutputContainer, origin: InputContainer, copied: Sequence[int]) -> dict[int, Any]:
    """A stream of the output for each copied one of the source."""
    streams = {}
    for index in copied:
        original = origin.streams[index]
        stream = out.add_stream_from_template(original, opaque=True)
        stream.metadata.update(_tags(original.metadata))
        stream.disposition = original.disposition
        streams[index] = stream
    return streams


def _copy_tags(out: OutputContainer, origin: InputContainer) -> None:
    out.metadata.update(_tags(origin.metadata))
    chapters = origin.chapters()
    if chapters:
        out.set_chapters(chapters)


def _tags(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower() not in _OWN_TAGS}


def _copies(origin: InputContainer, streams: dict[int, Any]) -> Iterator[AnyPacket]:
    """The packets of the copied streams in the source's order, addressed to their streams of the output."""
    if not streams:
        return
    for stream in origin.streams:
        stream.discard = Discard.default if stream.index in streams else Discard.all
    for packet in origin.demux([origin.streams[index] for index in streams]):
        if packet.size == 0 or packet.is_corrupt or (packet.pts is None and packet.dts is None):
            continue
        packet.dts = packet.dts if packet.dts is not None else packet.pts
        packet.pts = packet.pts if packet.pts is not None else packet.dts
        packet.stream = streams[packet.stream.index]
        yield packet
