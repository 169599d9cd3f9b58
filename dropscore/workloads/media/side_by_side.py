"""The small comparison video: the original on the left, the result on the right."""

from fractions import Fraction
from typing import Final

import av
import numpy as np

from dropscore.workloads.media.colour import BT709, LIMITED, Pixels, from_rgb
from dropscore.workloads.media.encode import EncodeSpec
from dropscore.workloads.media.facts import Colour, Orientation, Size
from dropscore.workloads.media.orientation import upright
from dropscore.workloads.media.sheet import display_size, fit

HALF_SIDE: Final = 640
"""Largest side of one half, in pixels."""

CRF: Final = 27
PRESET: Final = "superfast"


def half_size(size: Size, sample_aspect: Fraction, orientation: Orientation) -> Size:
    """The size of one half as it is shown: even, fitted into a square of `HALF_SIDE`."""
    shown = fit(display_size(size, sample_aspect, orientation), HALF_SIDE)
    return Size(width=max(shown.width // 2 * 2, 2), height=max(shown.height // 2 * 2, 2))


class Comparer:
    """Puts two pictures of one video side by side, small, upright and with square pixels."""

    def __init__(self, main: EncodeSpec, orientation: Orientation) -> None:
        self._main = main
        self._orientation = orientation
        self._half = half_size(main.size, main.sample_aspect, orientation)
        half = self._half
        self._stored_half = Size(width=half.height, height=half.width) if orientation.quarter_turns % 2 else half

    @property
    def spec(self) -> EncodeSpec:
        """How the comparison is encoded."""
        return EncodeSpec(
            size=Size(width=2 * self._half.width, height=self._half.height),
            time_base=self._main.time_base,
            rate=self._main.rate,
            colour=self._colour,
            crf=CRF,
            preset=PRESET,
        )

    @property
    def _colour(self) -> Colour:
        """Said in full, since a player's guess goes by the size, which is another here."""
        main = self._main.colour
        return Colour(range=LIMITED, matrix=BT709, primaries=main.primaries, transfer=main.transfer)

    def compare(self, before: Pixels, after: Pixels) -> av.VideoFrame:
        """The comparison of two pictures (H, W, 3) RGB uint8, as a 4:2:0 frame."""
        halves = [
            from_rgb(pixels, self._colour, self._main.size, pixel_format="yuv420p", to=self._stored_half)
            for pixels in (before, after)
        ]
        planes = [self._planes(half) for half in halves]
        stacked = [np.hstack(pair) for pair in zip(*planes, strict=True)]
        width = 2 * self._half.width
        flat = np.concatenate([plane.reshape(-1) for plane in stacked]).reshape(-1, width)
        return av.VideoFrame.from_ndarray(flat, format="yuv420p")

    def _planes(self, half: av.VideoFrame) -> list[Pixels]:
        """Luma and the two chroma planes of a 4:2:0 frame, upright."""
        width, height = self._stored_half.width, self._stored_half.height
        flat = half.to_ndarray().reshape(-1).astype(np.uint8, copy=False)
        luma, chroma = width * height, width * height // 4
        shapes = (
            (0, luma, height),
            (luma, luma + chroma, height // 2),
            (luma + chroma, luma + 2 * chroma, height // 2),
        )
        return [upright(flat[start:end].reshape(rows, -1), self._orientation) for start, end, rows in shapes]
