"""Tell what a file is from its first bytes, so that no library has to guess.

A name or a guess must not choose the parser: a playlist renamed `.mp4` would make FFmpeg open what it names.
"""

from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 1024
"""Bytes from the start of a file that `sniff` wants to see."""

TS_PACKET_BYTES = 188
M2TS_PACKET_BYTES = 192


class Kind(StrEnum):
    """What a file can be used as."""

    VIDEO = "video"
    PICTURE = "picture"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """What a file is. `format` names the one parser it may be given to; `title` is for people."""

    kind: Kind
    format: str
    title: str


def _video(format: str, title: str) -> Sniffed:
    return Sniffed(kind=Kind.VIDEO, format=format, title=title)


def _picture(format: str, title: str) -> Sniffed:
    return Sniffed(kind=Kind.PICTURE, format=format, title=title)


def _other(title: str) -> Sniffed:
    return Sniffed(kind=Kind.OTHER, format="", title=title)


MP4 = _video("mov", "an MP4 or QuickTime file")
MATROSKA = _video("matroska", "a Matroska or WebM file")
AVI = _video("avi", "an AVI file")
MPEG_TS = _video("mpegts", "an MPEG transport stream")

READABLE = "videos as MP4, MOV, MKV, WebM, AVI or MPEG-TS, pictures as JPEG, PNG, WebP or BMP"
"""What can be read, for messages."""

_STARTS: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\x1a\x45\xdf\xa3", MATROSKA),
    (b"\xff\xd8\xff", _picture("JPEG", "a JPEG picture")),
    (b"\x89PNG\r\n\x1a\n", _picture("PNG", "a PNG picture")),
    (b"BM", _picture("BMP", "a BMP picture")),
    (b"II*\x00", _other("a TIFF picture")),
    (b"MM\x00*", _other("a TIFF picture")),
    (b"GIF8", _other("a GIF picture")),
    (b"FLV\x01", _other("a Flash video")),
    (b"OggS", _other("an Ogg file")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _other("a Windows Media file")),
    (b"\x00\x00\x01\xba", _other("an MPEG program stream")),
    (b"\x00\x00\x00\x01", _other("a raw video stream without timestamps")),
    (b"fLaC", _other("a FLAC sound file")),
    (b"ID3", _other("an MP3 sound file")),
    (b"%PDF", _other("a PDF document")),
    (b"PK\x03\x04", _other("a ZIP archive")),
    (b"\x1f\x8b", _other("a gzip archive")),
    (b"\x80\x02", _other("a Python pickle")),
)

_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})
_STILL_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis", b"crx "}
)

_TEXTS: tuple[tuple[str, str], ...] = (
    ("#EXTM3U", "an HLS playlist"),
    ("ffconcat", "a list of files for FFmpeg"),
    ("[playlist]", "a playlist"),
    ("<MPD", "a DASH manifest"),
    ("<svg", "an SVG drawing"),
    ("<?xml", "an XML file"),
    ("<", "an HTML or XML file"),
    ("{", "a JSON file"),
)


def sniff(head: bytes) -> Sniffed:
    """What the file with these first bytes is; `head` is its first `HEAD_BYTES` bytes, or all it has."""
    return _container(head) or _by_start(head) or _by_text(head) or _other("of an unknown kind")


def _container(head: bytes) -> Sniffed | None:
    """The formats whose mark is not at the very start."""
    if head[4:8] in _MP4_BOXES:
        return _other("a HEIC, AVIF or raw picture") if head[8:12] in _STILL_BRANDS else MP4
    if head[:4] == b"RIFF":
        return {b"AVI ": AVI, b"WEBP": _picture("WEBP", "a WebP picture")}.get(head[8:12], _other("a RIFF sound file"))
    return MPEG_TS if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > start + 3 * step and all(head[start + i * step] == 0x47 for i in range(3))
        for start, step in ((0, TS_PACKET_BYTES), (4, M2TS_PACKET_BYTES))
    )


def _by_start(head: bytes) -> Sniffed | None:
    return next((sniffed for start, sniffed in _STARTS if head.startswith(start)), None)


def _by_text(head: bytes) -> Sniffed | None:
    """Text of some kind: UTF-8 (perhaps cut inside a character) without control characters."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="ignore")
    if not text or any(ord(character) < 32 and character not in "\t\r\n\f" for character in text):
        return None
    if len(text.encode()) < len(head.removeprefix(b"\xef\xbb\xbf")) - 3:
        return None
    stripped = text.lstrip()
    return _other(next((title for start, title in _TEXTS if stripped.startswith(start)), "a text file"))
