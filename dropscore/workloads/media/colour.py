"""From a frame's stored samples to RGB and back, with the matrix and range the file means.

Both ways go through libswscale with exact rounding and full chroma interpolation: its faster path is about one
level too dark. It makes RGB in planes twice as fast as interleaved, with the same values (a level's difference here and
there where the width is odd), so that is done where the samples lie in planes, and interleaved after.
"""

from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation

from dropscore.workloads.media.facts import Colour, Size

type Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB uint8."""

LIMITED: Final = 1
FULL: Final = 2
BT709: Final = 1
UNSAID: Final = 2
"""Matrix, primaries or transfer that the file does not give."""

_RGB: Final = 0
_BT601: Final = 5
_SCALER_MATRIX: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""H.273 matrix number to libswscale's."""

_TO_RGB: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_TO_YUV: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND

HD_HEIGHT: Final = 577
"""From this height (or 1280 columns) on, video that does not say so is taken for BT.709, else for BT.601."""


def matrix_of(colour: Colour, size: Size) -> int:
    """The matrix to convert with, by the scaler's own numbers."""
    high = size.height >= HD_HEIGHT or size.width >= 1280
    return _SCALER_MATRIX.get(colour.matrix, BT709 if high else _BT601)


def stored_colour(colour: Colour) -> Colour:
    """The colour tags of the output for an input with these: the same, but RGB and YCgCo become BT.709."""
    if colour.matrix in (_RGB, 8):
        return Colour(range=LIMITED, matrix=BT709, primaries=colour.primaries, transfer=colour.transfer)
    return colour


def frame_colour(frame: av.VideoFrame, fallback: Colour) -> Colour:
    """The frame's own tags, those of the file where it has none."""
    full_format = frame.format.name.startswith("yuvj")
    return Colour(
        range=FULL if full_format else frame.color_range or fallback.range,
        matrix=frame.colorspace if frame.colorspace != UNSAID else fallback.matrix,
        primaries=frame.color_primaries if frame.color_primaries != UNSAID else fallback.primaries,
        transfer=frame.color_trc if frame.color_trc != UNSAID else fallback.transfer,
    )


def to_rgb(frame: av.VideoFrame, colour: Colour, size: Size) -> Pixels:
    """Convert a decoded frame to (H, W, 3) RGB uint8 of `size`, full range."""
    matrix = matrix_of(colour, size)
    in_planes = frame.format.is_planar and not frame.format.is_rgb
    converted = frame.reformat(
        width=size.width,
        height=size.height,
        format="gbrp" if in_planes else "rgb24",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL if colour.range == FULL else LIMITED,
        dst_color_range=FULL,
        interpolation=_TO_RGB,
        threads=1,
    )
    if in_planes:
        converted = _interleaved(converted, matrix)
    return np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)


def _interleaved(planes: av.VideoFrame, matrix: int) -> av.VideoFrame:
    """A frame of three planes as RGB pixels, the values untouched."""
    return planes.reformat(
        format="rgb24",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL,
        dst_color_range=FULL,
        interpolation=Interpolation.POINT,
        threads=1,
    )


def from_rgb(pixels: Pixels, colour: Colour, size: Size, *, pixel_format: str, to: Size | None = None) -> av.VideoFrame:
    """Convert (H, W, 3) RGB uint8 to a frame in `pixel_format`, scaled to the size `to` when given.

    `size` is that of the video and decides the matrix when `colour` does not name one.
    """
    matrix = matrix_of(colour, size)
    frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format="rgb24")
    return frame.reformat(
        width=to.width if to else None,
        height=to.height if to else None,
        format=pixel_format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL,
        dst_color_range=FULL if colour.range == FULL else LIMITED,
        interpolation=_TO_YUV,
        threads=1,
    )
