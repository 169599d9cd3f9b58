"""The display matrix of a video: how players turn and mirror its frames."""

import math
import struct

import numpy as np
import numpy.typing as npt

from dropscore.workloads.media.facts import Orientation

MATRIX_BYTES = 36


def read_matrix(data: bytes) -> tuple[int, ...] | None:
    """The nine numbers of FFmpeg's display matrix side data; None when it is not one."""
    return struct.unpack("=9i", data) if len(data) == MATRIX_BYTES else None


def orientation_of(matrix: tuple[int, ...] | None) -> Orientation:
    """The nearest of the eight orientations to a display matrix.

    A point (x, y), y pointing down, goes to (a x + c y, b x + d y), where the matrix is (a, b, u, c, d, v, x, y, w).
    """
    if matrix is None:
        return Orientation()
    a, b, _, c, d = matrix[:5]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    turns = round(math.degrees(math.atan2(-b, a)) / 90) % 4
    return Orientation(quarter_turns=turns, mirrored=mirrored)


def upright[S: np.generic](plane: npt.NDArray[S], orientation: Orientation) -> npt.NDArray[S]:
    """A picture or plane (H, W, …) as it is to be shown. A view, not a copy."""
    return np.rot90(plane[:, ::-1] if orientation.mirrored else plane, orientation.quarter_turns)
