"""Small JPEG pictures for the report, upright and with square pixels."""

import base64
import io
from fractions import Fraction
from typing import Final

from PIL import Image

from dropscore.workloads.media.colour import Pixels
from dropscore.workloads.media.facts import Orientation, Size
from dropscore.workloads.media.orientation import upright

PICTURE_SIDE: Final = 360
"""Longer side of a report picture, in pixels."""

JPEG_QUALITY: Final = 82


THUMBNAIL_SIDE: Final = 144
THUMBNAIL_QUALITY: Final = 60


def display_size(size: Size, sample_aspect: Fraction, orientation: Orientation) -> Size:
    """The size at which a stored picture is shown: pixels made square, then turned."""
    wide = sample_aspect >= 1
    width = round(size.width * sample_aspect) if wide else size.width
    height = size.height if wide else round(size.height / sample_aspect)
    return Size(width=height, height=width) if orientation.quarter_turns % 2 else Size(width=width, height=height)


def fit(size: Size, side: int) -> Size:
    """The largest size of the same aspect, no larger than `size`, whose sides are `side` at most and 1 at least."""
    factor = min(1.0, side / max(size.width, size.height))
    return Size(width=max(round(size.width * factor), 1), height=max(round(size.height * factor), 1))


def small_picture(
    pixels: Pixels,
    *,
    sample_aspect: Fraction = Fraction(1),
    orientation: Orientation = Orientation(),  # noqa: B008 - frozen
    side: int = PICTURE_SIDE,
) -> bytes:
    """A JPEG of (H, W, 3) RGB uint8, `side` pixels on its longer side at most."""
    turned = upright(pixels, orientation)
    stored = Size(width=pixels.shape[1], height=pixels.shape[0])
    shown = fit(display_size(stored, sample_aspect, orientation), side)
    picture = Image.fromarray(turned.copy()).resize(
        (shown.width, shown.height), Image.Resampling.BILINEAR, reducing_gap=2.0
    )
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def thumbnail(jpeg: bytes) -> str:
    """A much smaller JPEG of one of our pictures, 2 to 4 kB, in base64: small enough to ride in a verdict."""
    picture = Image.open(io.BytesIO(jpeg), formats=["JPEG"])
    shown = fit(Size(width=picture.width, height=picture.height), THUMBNAIL_SIDE)
    picture.draft("RGB", (shown.width, shown.height))
    out = io.BytesIO()
    picture.resize((shown.width, shown.height), Image.Resampling.BILINEAR).save(
        out, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True
    )
    return base64.b64encode(out.getvalue()).decode()
