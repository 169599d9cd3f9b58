"""Read a stranger's picture as upright RGB, and write the result in the same format with what belongs to it."""

import io
import struct
import zlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import Binary
from dropscore.workloads.media.colour import Pixels
from dropscore.workloads.media.facts import Size
from dropscore.workloads.media.opening import refuse_kind, sniff_file
from dropscore.workloads.media.sniffing import HEAD_BYTES, Kind, Sniffed, sniff

MAX_PIXELS: Final = 50_000_000
MAX_SIDE: Final = 30_000
MAX_BYTES: Final = 512 * 1024**2
LARGE_PIXELS: Final = 8_000_000
MAX_SCANNED: Final = 1_000_000_000
"""Pixels of a JPEG times the scans that it is drawn in: a progressive one of the largest size has twenty at most."""

JPEG_QUALITY: Final = 94

_START_OF_SCAN: Final = b"\xff\xda"
_READ_BYTES: Final = 1 << 20
_ORIENTATION_TAG: Final = 0x0112
_WITH_ALPHA: Final = frozenset({"PNG", "WEBP"})
_MODES: Final = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I", "I;16", "I;16B", "I;16L"}
)
_SAVE: Final[dict[str, dict[str, object]]] = {
    "JPEG": {"quality": JPEG_QUALITY, "subsampling": 0},
    "PNG": {},
    "WEBP": {"quality": 92, "method": 4},
    "BMP": {},
}
_SUFFIXES: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp"}
_MEDIA_TYPES: Final = {"WEBP": "image/webp", "BMP": "image/bmp", "PNG": "image/png"}

_PARSER_ERRORS: Final = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, ArithmeticError, MemoryError),
    *(AttributeError, NotImplementedError, struct.error, zlib.error),
)
"""What Pillow's parsers raise on broken files."""

_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """What is found in a picture. `size` is that of the upright picture; `notes` say what is unusual."""

    format: str
    size: Size
    mode: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What of a picture is not restyled and goes into the result as it was.

    `alpha` is (H, W) uint8, upright; `tags` are Pillow's arguments for saving (colour profile, EXIF without the
    orientation, resolution).
    """

    format: str
    alpha: npt.NDArray[np.uint8] | None = None
    tags: dict[str, object] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """The usual suffix of the format, without a dot."""
        return _SUFFIXES[self.format]

    @property
    def media_type(self) -> str:
        """The format's media type."""
        return _MEDIA_TYPES.get(self.format, "image/jpeg")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPicture:
    """A picture in memory: (H, W, 3) RGB uint8, upright, and what is kept beside it."""

    pixels: Pixels
    kept: Kept


def probe_picture(
    file: Binary, name: str, *, one_at_a_time: AbstractContextManager[object] | None = None
) -> PictureFacts:
    """Look into a picture and check that it is whole. A JPEG is decoded at an eighth of its size for that.

    Pictures of more than `LARGE_PIXELS` are decoded inside `one_at_a_time`: a lock, where several threads probe.
    Raises `FailedError`: E-INPUT-EMPTY, E-INPUT-UNSUPPORTED, E-INPUT-LIMIT, E-INPUT-UNREADABLE, E-INPUT-CORRUPT.
    """
    picture = _open(file, name)
    notes = _notes(picture)  # first: what the stored samples are like is forgotten once they are decoded
    size = _upright_size(picture, name)
    facts = PictureFacts(format=str(picture.format), size=size, mode=picture.mode, notes=notes)
    gate = one_at_a_time if one_at_a_time and size.pixels > LARGE_PIXELS else nullcontext()
    try:
        with gate:
            picture.draft("L", (size.width // 8, size.height // 8))
            picture.load()
    except _PARSER_ERRORS as error:
        raise _damaged(name, error) from None
    return facts


def read_picture(file: Binary, name: str, *, item: int | None = None) -> OpenPicture:
    """Decode a picture. Raises what `probe_picture` does, with `item`."""
    try:
        picture = _open(file, name)
        _upright_size(picture, name)
        return _decode(picture, name)
    except FailedError as error:
        raise FailedError(error.failure.model_copy(update={"item": item})) from None


def write_picture(pixels: Pixels, kept: Kept) -> bytes:
    """Encode (H, W, 3) RGB uint8 in the format of the original."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if kept.alpha is not None:
        picture.putalpha(Image.fromarray(kept.alpha))
    out = io.BytesIO()
    picture.save(out, kept.format, **_SAVE[kept.format], **kept.tags)
    return out.getvalue()


def picture_suffix(data: bytes) -> str:
    """The usual suffix (no dot) of an encoded picture, by its first bytes; `bin` when it is none."""
    return _SUFFIXES.get(sniff(data[:HEAD_BYTES]).format, "bin")


def _open(file: Binary, name: str) -> Image.Image:
    """Open with the one parser that the first bytes call for; nothing is decoded yet."""
    size = file.seek(0, 2)
    if size == 0:
        raise FailedError.of(Code.INPUT_EMPTY, f"{name!r} has no bytes", input=name)
    if size > MAX_BYTES:
        raise FailedError.of(Code.INPUT_LIMIT, f"{name!r} has {size} bytes, over {MAX_BYTES}", input=name)
    sniffed = sniff_file(file)
    if sniffed.kind is not Kind.PICTURE:
        refuse_kind(sniffed, name)
    file.seek(0)
    try:
        picture = Image.open(file, formats=(sniffed.format,))
        _check(picture, sniffed, name)
        _check_scans(file, picture, name)
    except _BOMBS:
        raise FailedError.of(Code.INPUT_LIMIT, f"{name!r} has over {MAX_PIXELS} pixels", input=name) from None
    except _PARSER_ERRORS:
        message = f"{name!r} looks like {sniffed.title} but cannot be opened; it is cut off or damaged"
        raise FailedError.of(Code.INPUT_UNREADABLE, message, input=name) from None
    return picture


def _check(picture: Image.Image, sniffed: Sniffed, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        found = f"{width} x {height} = {width * height} pixels, over {MAX_PIXELS} or {MAX_SIDE} on a side"
        raise FailedError.of(Code.INPUT_LIMIT, f"{name!r} has {found}", input=name)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and sniffed.format != "JPEG":
        raise FailedError.of(
            Code.INPUT_UNSUPPORTED,
            f"{name!r} is {sniffed.title} of {frames} frames; one is read, not an animation or several pages",
            action="Give an animation as MP4, and pages as single pictures.",
            input=name,
        )
    if picture.mode not in _MODES:
        raise FailedError.of(
            Code.INPUT_UNSUPPORTED,
            f"{name!r} has samples of the kind {picture.mode}, which is not read",
            action="Save it as 8-bit RGB.",
            input=name,
        )


def _check_scans(file: Binary, picture: Image.Image, name: str) -> None:
    """A JPEG is drawn in as many scans as it likes, each over all its pixels; a few bytes make one."""
    if picture.format not in ("JPEG", "MPO"):
        return
    scans, (width, height) = _count_in(file, _START_OF_SCAN), picture.size
    if scans * width * height > MAX_SCANNED:
        found = f"{width} x {height} pixels drawn in {scans} scans, over {MAX_SCANNED} pixels in all"
        raise FailedError.of(Code.INPUT_LIMIT, f"{name!r} has {found}", input=name)


def _count_in(file: Binary, mark: bytes) -> int:
    """How often two bytes stand in a file."""
    count, last, at = 0, b"", file.tell()
    file.seek(0)
    while data := file.read(_READ_BYTES):
        count += (last + data).count(mark)
        last = data[-1:]
    file.seek(at)
    return count


def _upright_size(picture: Image.Image, name: str) -> Size:
    width, height = picture.size
    try:
        turned = picture.getexif().get(_ORIENTATION_TAG, 1) in (5, 6, 7, 8)
    except _PARSER_ERRORS as error:
        raise _damaged(name, error) from None
    return Size(width=height, height=width) if turned else Size(width=width, height=height)


def _decode(picture: Image.Image, name: str) -> OpenPicture:
    try:
        picture.load()
        upright = _eight_bit(ImageOps.exif_transpose(picture))
        tags = _tags(picture)
        alpha = np.asarray(upright.getchannel("A")) if "A" in upright.getbands() else None
        pixels = np.array(upright.convert("RGB"), dtype=np.uint8)
    except _PARSER_ERRORS as error:
        raise _damaged(name, error) from None
    format_ = "JPEG" if picture.format == "MPO" else str(picture.format)
    return OpenPicture(
        pixels=pixels, kept=Kept(format=format_, alpha=alpha if format_ in _WITH_ALPHA else None, tags=tags)
    )


def _eight_bit(picture: Image.Image) -> Image.Image:
    """The picture with 8-bit samples, with an alpha channel where it has transparency."""
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        return Image.fromarray((np.clip(deep, 0, 65_535) >> 8).astype(np.uint8))
    if "transparency" in picture.info or picture.mode in ("PA", "La", "RGBa", "LA"):
        return picture.convert("RGBA")
    return picture


def _tags(picture: Image.Image) -> dict[str, object]:
    """Colour profile (of RGB), EXIF data with the orientation put right, resolution."""
    tags: dict[str, object] = {}
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes) and profile[16:20] == b"RGB ":
        tags["icc_profile"] = profile
    exif = picture.getexif()
    if exif and picture.format != "BMP":
        exif[_ORIENTATION_TAG] = 1
        tags["exif"] = exif.tobytes()
    if "dpi" in picture.info and picture.format != "WEBP":
        tags["dpi"] = picture.info["dpi"]
    return tags


def _notes(picture: Image.Image) -> tuple[str, ...]:
    tiles = getattr(picture, "tile", [])  # the stored samples' layout, known before they are decoded
    raw_mode = str(tiles[0].args) if tiles else ""
    transparent = picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info
    found = (
        (picture.mode.startswith("I") or ";16" in raw_mode, "16-bit samples become 8-bit ones."),
        (picture.mode == "CMYK", "CMYK becomes RGB without its colour profile."),
        (transparent, "Transparency is kept as it was; only the colours are restyled."),
        (getattr(picture, "n_frames", 1) > 1, "Of several pictures in the file the first is used."),
    )
    return tuple(note for applies, note in found if applies)


def _damaged(name: str, error: Exception) -> FailedError:
    return FailedError.of(
        Code.INPUT_CORRUPT,
        f"the picture {name!r} is cut off or damaged: {error}",
        action="Save it again from its source.",
        input=name,
    )
