"""Open the bytes of a stranger's video without trusting them.

The parser is chosen from the file's first bytes and forced; it gets a file object without a name and may open
nothing else; decoders outside the allow-list stay closed; size, pixels, duration and streams are checked before
a frame is decoded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import Binary
from dropscore.workloads.media.boxes import top_boxes
from dropscore.workloads.media.facts import Size
from dropscore.workloads.media.files import GuardedFile
from dropscore.workloads.media.sniffing import HEAD_BYTES, READABLE, Kind, Sniffed, sniff

READ_BYTES = 128 * 1024
"""Bytes that FFmpeg asks for at a time."""

VIDEO_DECODERS = frozenset(
    (
        *("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mpeg1video", "mpeg2video", "mpeg4", "h263"),
        *("msmpeg4v1", "msmpeg4v2", "msmpeg4", "mjpeg", "prores", "dnxhd", "ffv1", "huffyuv"),
    )
)
"""FFmpeg's decoders that may run on a stranger's video."""

_SOUND_DECODERS = frozenset(
    (
        *(
            "aac",
            "mp2",
            "mp2float",
            "mp3",
            "mp3float",
            "ac3",
            "eac3",
            "dca",
            "opus",
            "libopus",
            "vorbis",
            "flac",
            "alac",
        ),
        *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be"),
        *("pcm_u8", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"),
    )
)
"""Sound is never decoded; FFmpeg opens these while it looks for missing parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused before anything is decoded. The pixels are those of one frame."""

    max_bytes: int = 256 * 1024**3
    max_pixels: int = 8192 * 4352
    max_side: int = 16_384
    max_duration_s: float = 24 * 3600.0
    max_streams: int = 64


DEFAULT_LIMITS = Limits()


class Use(Enum):
    """What a file is opened for: the less, the faster."""

    DECODE = auto()
    """Its pictures: FFmpeg decodes some to learn what they are like."""
    COPY = auto()
    """Packets of its other streams: no picture is decoded."""
    LIST = auto()
    """The packets as the container describes them: nothing looks into them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVideo:
    """An opened file: its video stream, the container it is in, and the guarded bytes beneath."""

    name: str
    container: InputContainer
    stream: VideoStream
    file: GuardedFile


def sniff_file(file: Binary) -> Sniffed:
    """What a file is, from its first bytes."""
    file.seek(0)
    return sniff(file.read(HEAD_BYTES))


def require_video(sniffed: Sniffed, name: str) -> None:
    """Raise E-INPUT-UNSUPPORTED unless the file is a video that can be read."""
    if sniffed.kind is not Kind.VIDEO:
        refuse_kind(sniffed, name)


def refuse_kind(sniffed: Sniffed, name: str) -> NoReturn:
    """Raise E-INPUT-UNSUPPORTED naming what was found and what can be read."""
    raise FailedError.of(Code.INPUT_UNSUPPORTED, f"{name!r} is {sniffed.title}; read are {READABLE}", input=name)


@contextmanager
def open_container(
    guarded: GuardedFile, sniffed: Sniffed, name: str, *, limits: Limits = DEFAULT_LIMITS, use: Use = Use.DECODE
) -> Iterator[InputContainer]:
    """Open a file as the format it was sniffed as, and nothing else.

    Raises E-INPUT-UNREADABLE when it does not open, and whatever reading the bytes raised.
    """
    decoders = VIDEO_DECODERS | _SOUND_DECODERS if use is Use.DECODE else _SOUND_DECODERS
    options = {
        "codec_whitelist": ",".join(sorted(decoders)),
        "protocol_whitelist": "",
        "max_streams": str(limits.max_streams),
    }
    if use is Use.LIST:
        options |= {"fflags": "noparse+nofillin", "analyzeduration": "0", "probesize": "32"}
    try:
        container = av.open(
            guarded,
            "r",
            format=sniffed.format,
            options={"max_pixels": str(limits.max_pixels)},
            container_options=options,
            buffer_size=READ_BYTES,
            io_open=_open_nothing_else,
        )
    except (av.FFmpegError, OSError) as error:
        guarded.check()
        raise _unreadable(guarded, sniffed, name, error) from None
    with container:
        guarded.check()
        yield container


@contextmanager
def open_video(
    file: Binary, name: str, *, limits: Limits = DEFAULT_LIMITS, stream: int | None = None
) -> Iterator[OpenVideo]:
    """Open a video and choose its picture stream (number `stream`, if given).

    Raises `FailedError`: E-INPUT-EMPTY, E-INPUT-UNSUPPORTED (no video, or a codec that is not read),
    E-INPUT-LIMIT, E-INPUT-UNREADABLE.
    """
    guarded = GuardedFile(file)
    if guarded.size_bytes == 0:
        raise FailedError.of(Code.INPUT_EMPTY, f"{name!r} has no bytes", input=name)
    sniffed = sniff_file(file)
    require_video(sniffed, name)
    with open_container(guarded, sniffed, name, limits=limits) as container:
        picture = _choose_stream(container, name, stream)
        _check_decoder(picture, name)
        _check_limits(guarded, container, picture, name, limits)
        yield OpenVideo(name=name, container=container, stream=picture, file=guarded)


def _open_nothing_else(*_: object) -> NoReturn:
    """A media file that names another file or an address gets nothing."""
    raise PermissionError("a media file may not open another file")


def _choose_stream(container: InputContainer, name: str, wanted: int | None) -> VideoStream:
    """The picture stream: the one asked for, else the default one, else the first that is no cover picture."""
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not films:
        others = ", ".join(f"{s.type} ({s.codec_context.name if s.codec_context else '?'})" for s in container.streams)
        raise FailedError.of(
            Code.INPUT_UNSUPPORTED,
            f"{name!r} holds no video, only {others or 'nothing'}",
            action="Give a file with a video stream.",
            input=name,
        )
    if wanted is not None:
        return next((s for s in films if s.index == wanted), films[0])
    return next((s for s in films if s.disposition & Disposition.default), films[0])


def _check_limits(
    guarded: GuardedFile, container: InputContainer, stream: VideoStream, name: str, limits: Limits
) -> None:
    size = Size(width=stream.width, height=stream.height)
    duration_s = (container.duration or 0) / av.time_base
    streams = len(container.streams)
    over = [
        (guarded.size_bytes > limits.max_bytes, f"{guarded.size_bytes} bytes, over {limits.max_bytes}"),
        (size.pixels > limits.max_pixels, f"frames of {size} = {size.pixels} pixels, over {limits.max_pixels}"),
        (max(size.width, size.height) > limits.max_side, f"frames of {size}, over {limits.max_side} on a side"),
        (duration_s > limits.max_duration_s, f"a duration of {duration_s:.0f} s, over {limits.max_duration_s:.0f} s"),
        (streams > limits.max_streams, f"{streams} streams, over {limits.max_streams}"),
    ]
    for exceeded, found in over:
        if exceeded:
            raise FailedError.of(Code.INPUT_LIMIT, f"{name!r} has {found}", input=name)
    if size.pixels == 0:
        message = f"{name!r} does not say how large its frames are, or announces more than {limits.max_pixels} pixels"
        raise FailedError.of(Code.INPUT_UNREADABLE, message, input=name)


def _check_decoder(stream: VideoStream, name: str) -> None:
    codec = stream.codec_context.name if stream.codec_context else "an unknown codec"
    if codec not in VIDEO_DECODERS:
        raise FailedError.of(
            Code.INPUT_UNSUPPORTED,
            f"the video in {name!r} is compressed with {codec}, which is not read",
            action="Convert it to H.264, H.265, VP9, AV1, MPEG-4 or ProRes.",
            input=name,
        )


def _unreadable(guarded: GuardedFile, sniffed: Sniffed, name: str, error: Exception) -> FailedError:
    reason = getattr(error, "strerror", None) or str(error)
    message = f"{name!r} looks like {sniffed.title} but cannot be opened: {reason}"
    if sniffed.format == "mov":
        boxes = list(top_boxes(guarded, guarded.size_bytes))
        if not any(box.name == b"moov" for box in boxes):
            missing = boxes[-1].end - guarded.size_bytes if boxes else 0
            count = f" ({missing} bytes are missing)" if missing > 0 else ""
            message = f"{name!r} is cut off: the index that an MP4 file has at its end is not there{count}"
    return FailedError.of(Code.INPUT_UNREADABLE, message, input=name)
