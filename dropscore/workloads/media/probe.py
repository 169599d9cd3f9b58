"""Find out all about a video file without decoding it: cheap for a large file that is far away."""

from bisect import bisect_left
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.rational import AVRational
from av.stream import Disposition, Stream

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import Binary
from dropscore.workloads.media.claims import check_claims
from dropscore.workloads.media.colour import frame_colour
from dropscore.workloads.media.facts import Colour, Size, Timeline, Track, VideoFacts
from dropscore.workloads.media.opening import DEFAULT_LIMITS, Limits, OpenVideo, open_video, sniff_file
from dropscore.workloads.media.orientation import orientation_of, read_matrix
from dropscore.workloads.media.scan import FirstFrames, Listing, first_frames, list_by_decoding, list_packets, time_of

MAX_FRAMES: Final = 5_000_000
MAX_TICKS_A_SECOND: Final = 2**31 - 1
"""Finest time base that an MP4 file can have."""

_TRACKS: Final = frozenset({"audio", "subtitle", "data"})
"""Kinds of streams that may come along or must be said to be left out."""

_HIDDEN_FRAMES: Final = frozenset({"vp8"})
"""Codecs with packets that show nothing and do not say so."""


def probe_video(file: Binary, name: str, *, limits: Limits = DEFAULT_LIMITS) -> VideoFacts:
    """Look into a video. `name` is used in messages only.

    Raises `FailedError`: what `open_video` raises, E-INPUT-LIMIT for an index that cannot be true, and
    E-INPUT-UNREADABLE when no frame decodes.
    """
    check_claims(file, name)
    with open_video(file, name, limits=limits) as opened:
        first = first_frames(opened)
        if not first.frames:
            raise _nothing_decodes(opened)
        listing = list_packets(opened, file)
        exact, head = _agreement(opened, listing, first)
        if not exact:
            listing = list_by_decoding(file, name, opened.stream.index)
        timeline = _timeline(opened, listing, exact=exact, head=head)
        return _facts(opened, file, first.frames, listing, timeline, head)


def _agreement(opened: OpenVideo, listing: Listing, first: FirstFrames) -> tuple[bool, int]:
    """Whether packets and frames are one to one as far as was decoded, and how many frames at the start of the
    list do not decode (those of a recording that starts between key frames).
    """
    without_index = opened.container.format.name == "avi" and len(opened.stream.index_entries) < len(listing.pts)
    if not listing.sound or without_index or opened.stream.codec_context.name in _HIDDEN_FRAMES:
        return False, 0
    listed = sorted(pts for pts in listing.pts if pts is not None)
    decoded = [time_of(frame) for frame in first.frames]
    if first.damaged:  # what is listed and does not come out is missed later, item by item
        key = min(pts for pts in listing.key_pts if pts is not None)
        head = bisect_left(listed, key) if (decoded[0] or 0) >= key else 0
        return set(decoded) <= set(listed), head
    head = listed.index(decoded[0]) if decoded[0] in listed else 0
    return decoded == listed[head : head + len(decoded)], head


def _timeline(opened: OpenVideo, listing: Listing, *, exact: bool, head: int) -> Timeline:
    pts = np.unique(np.array([time for time in listing.pts if time is not None], dtype=np.int64))[head:]
    keys = np.unique(np.array([time for time in listing.key_pts if time is not None], dtype=np.int64))
    if len(pts) == 0 or len(pts) > MAX_FRAMES:
        problem = f"{len(pts)} frames, over {MAX_FRAMES}" if len(pts) else "no frame that says when it is shown"
        code = Code.INPUT_LIMIT if len(pts) else Code.INPUT_UNREADABLE
        raise FailedError.of(code, f"{opened.name!r} has {problem}", input=opened.name)
    base = _fraction(opened.stream.time_base)
    if not 0 < base.denominator <= MAX_TICKS_A_SECOND or base <= 0:
        raise FailedError.of(
            Code.INPUT_UNSUPPORTED, f"{opened.name!r} counts time in units of {base} s", input=opened.name
        )
    duration = listing.last[1] if listing.last else 0
    if duration <= 0:
        rate = _fraction(opened.stream.average_rate) if opened.stream.average_rate else Fraction(25)
        duration = int(np.median(np.diff(pts))) if len(pts) > 1 else round(1 / (rate * base))
    return Timeline(time_base=base, pts=pts, key_pts=keys, end=int(pts[-1]) + max(duration, 1), exact=exact)


def _facts(
    opened: OpenVideo, file: Binary, frames: list[av.VideoFrame], listing: Listing, timeline: Timeline, head: int
) -> VideoFacts:
    stream, first = opened.stream, frames[0]
    sniffed = sniff_file(file)
    matrix = read_matrix(stream.codec_context.coded_side_data.get("display_matrix", b""))
    container_colour = Colour(
        range=stream.color_range,
        matrix=stream.colorspace,
        primaries=stream.color_primaries,
        transfer=stream.color_trc,
    )
    films = [s for s in opened.container.streams.video if not s.disposition & Disposition.attached_pic]
    return VideoFacts(
        container=sniffed.title.removeprefix("an ").removeprefix("a ").removesuffix(" file"),
        format=sniffed.format,
        codec=stream.codec_context.name,
        stream=stream.index,
        size=Size(width=first.width, height=first.height),
        pixel_format=first.format.name,
        bit_depth=max(component.bits for component in first.format.components),
        colour=frame_colour(first, container_colour),
        sample_aspect=_fraction(stream.sample_aspect_ratio) or Fraction(1),
        matrix=matrix,
        orientation=orientation_of(matrix),
        interlaced=any(frame.interlaced_frame for frame in frames),
        timeline=timeline,
        rate=_nominal_rate(opened, timeline),
        declared_frames=stream.frames,
        lost_frames=max(stream.frames - listing.hidden - listing.headless - timeline.frames - head, listing.torn),
        undecodable_head=listing.headless + head,
        tracks=tuple(_track(other) for other in opened.container.streams if other.type in _TRACKS),
        other_videos=len(films) - 1,
    )


def _nominal_rate(opened: OpenVideo, timeline: Timeline) -> Fraction:
    """The rate the file means: what FFmpeg makes of it where that fits the frames' times, else their average."""
    guessed = _fraction(opened.stream.guessed_rate)
    fits = guessed > 0 and not timeline.variable and abs(guessed / timeline.rate - 1) < Fraction(1, 50)
    return guessed.limit_denominator(100_000) if fits else timeline.rate


def _track(stream: Stream) -> Track:
    start = float(stream.start_time * _fraction(stream.time_base)) if stream.start_time is not None else None
    codec = stream.codec_context.name if stream.codec_context else (stream.name or "unknown")
    return Track(index=stream.index, kind=stream.type, codec=codec, language=stream.language, start_s=start)


def _fraction(value: AVRational) -> Fraction:
    """FFmpeg's rational number as Python's; 0 where FFmpeg has none."""
    return Fraction(value.numerator, value.denominator) if value and value.denominator else Fraction(0)


def _nothing_decodes(opened: OpenVideo) -> FailedError:
    declared = f"its header announces {opened.stream.frames} frames, but" if opened.stream.frames else "but"
    return FailedError.of(
        Code.INPUT_UNREADABLE,
        f"{opened.name!r} opens as {opened.stream.codec_context.name} video; {declared} not one can be decoded",
        action="Check that the file plays; it is cut off or damaged.",
        input=opened.name,
    )
