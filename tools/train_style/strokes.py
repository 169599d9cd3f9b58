"""Brush strokes on a canvas: curved, tapered, with bristles and relief, in plain numpy.

Coordinates are (x, y) in pixels from the top left corner, colours are linear mixes of sRGB values from 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """One stroke: its spine of shape (n, 2), its width in pixels, its colour and the seed of its bristles."""

    spine: Floats
    width: float
    colour: Floats
    seed: int


@dataclass(slots=True, kw_only=True)
class Canvas:
    """Paint of shape (H, W, 3) and its height above the canvas, (H, W)."""

    paint: Floats
    height: Floats

    def lay(self, stroke: Stroke) -> None:
        """Paint one stroke over what is there."""
        window, across, along = _measure(stroke, self.height.shape)
        if window is None:
            return
        rng = np.random.default_rng(stroke.seed)
        bristle = _bristles(rng, across, along)
        half = 0.5 * _taper(along)
        cover = np.clip((half - np.abs(across)) * stroke.width / 1.2 + 0.5, 0.0, 1.0)
        dry = np.clip(1.25 - 1.6 * np.maximum(along - 0.62, 0.0) / 0.38 * (0.4 + 0.6 * bristle), 0.0, 1.0)
        cover = cover * dry
        shade = 1.0 + 0.16 * (bristle - 0.5)
        rows, columns = window
        paint = self.paint[rows, columns]
        colour = np.clip(stroke.colour * shade[..., None], 0.0, 1.0)
        self.paint[rows, columns] = paint + cover[..., None] * (colour - paint)
        ridge = 0.55 + 0.45 * bristle + 0.5 * (np.abs(across) > 0.32)
        height = self.height[rows, columns]
        self.height[rows, columns] = height + cover * (ridge - height)


def _measure(stroke: Stroke, shape: tuple[int, int]) -> tuple[tuple[slice, slice] | None, Floats, Floats]:
    """The window a stroke touches and, for each of its pixels, the signed distance across the spine in widths and
    the position along it from 0 to 1.
    """
    reach = stroke.width * 0.75 + 1.5
    low = np.floor(stroke.spine.min(axis=0) - reach).astype(int)
    high = np.ceil(stroke.spine.max(axis=0) + reach).astype(int)
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (shape[1], shape[0]))
    empty = np.zeros((0, 0))
    if right <= left or bottom <= top:
        return None, empty, empty
    y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
    start, step = stroke.spine[:-1], np.diff(stroke.spine, axis=0)
    length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-6)
    dx, dy = x[..., None] - start[:, 0], y[..., None] - start[:, 1]
    t = np.clip((dx * step[:, 0] + dy * step[:, 1]) / length**2, 0.0, 1.0)
    distance = np.hypot(dx - t * step[:, 0], dy - t * step[:, 1])
    nearest = distance.argmin(axis=-1)[..., None]
    side = np.sign(dy * step[:, 0] - dx * step[:, 1])
    across = np.take_along_axis(distance * side, nearest, -1)[..., 0] / stroke.width
    before = np.concatenate(([0.0], np.cumsum(length)))
    along = np.take_along_axis(before[:-1] + t * length, nearest, -1)[..., 0] / before[-1]
    return (slice(top, bottom), slice(left, right)), across, along


def _taper(along: Floats) -> Floats:
    """Width of a stroke along its spine, 0 to 1: a round start, a body, a pointed end."""
    start = np.sqrt(np.clip(along / 0.12, 0.0, 1.0))
    end = np.clip((1.0 - along) / 0.35, 0.0, 1.0) ** 0.6
    return np.asarray(0.25 + 0.75 * np.minimum(start, end))


def _bristles(rng: np.random.Generator, across: Floats, along: Floats) -> Floats:
    """Hair marks of a brush, 0 to 1: fast across the stroke, slow along it."""
    hairs = rng.random((4, 13))
    column = np.clip((across + 0.6) / 1.2, 0.0, 0.999) * 12
    row = np.clip(along, 0.0, 0.999) * 3
    i, j = row.astype(int), column.astype(int)
    u, v = row - i, column - j
    top = hairs[i, j] * (1 - v) + hairs[i, j + 1] * v
    bottom = hairs[i + 1, j] * (1 - v) + hairs[i + 1, j + 1] * v
    return np.asarray(top * (1 - u) + bottom * u)


def lit(canvas: Canvas, strength: float = 0.5) -> Floats:
    """The canvas under a lamp from the upper left: relief catches light and throws shade."""
    slope_y, slope_x = np.gradient(canvas.height)
    facing = -np.add(slope_x, slope_y)
    light = 1.0 + strength * np.clip(facing, -0.6, 0.6)
    gloss = np.clip(facing - 0.25, 0.0, 1.0) * strength * 0.35
    return np.asarray(np.clip(canvas.paint * light[..., None] + gloss[..., None], 0.0, 1.0))
