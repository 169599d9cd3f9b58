"""The style picture: a night sky in oil, all swirls, stars and a sleeping village, painted by this code alone.

Three fields describe the scene: `colour_at` (what to paint), `flow_at` (which way the brush goes) and the size of
the brush. Strokes are laid from broad to fine, each bent along the flow, its colour varied a little; dark ground
shows between them. The same seed gives the same picture.
"""

from dataclasses import dataclass

import numpy as np

from tools.train_style.strokes import Canvas, Floats, Stroke, lit

SIZE = 768
"""Height and width of the picture in pixels."""

# Palette, sRGB 0 to 1.
INK = np.array([0.035, 0.05, 0.17])
PRUSSIAN = np.array([0.05, 0.11, 0.36])
COBALT = np.array([0.08, 0.26, 0.66])
CERULEAN = np.array([0.17, 0.52, 0.82])
AQUA = np.array([0.50, 0.83, 0.88])
PALE = np.array([0.86, 0.95, 0.88])
GOLD = np.array([0.99, 0.79, 0.17])
AMBER = np.array([0.97, 0.52, 0.09])
CREAM = np.array([1.00, 0.96, 0.72])
PINE = np.array([0.04, 0.20, 0.24])
VIOLET = np.array([0.30, 0.17, 0.45])
EMBER = np.array([0.80, 0.25, 0.12])


@dataclass(frozen=True, slots=True)
class Light:
    """A star or the moon: centre and core radius in units of the picture's size."""

    x: float
    y: float
    radius: float
    warm: float


LIGHTS = (
    Light(0.80, 0.17, 0.062, 1.0),
    Light(0.12, 0.12, 0.030, 0.5),
    Light(0.33, 0.10, 0.022, 0.9),
    Light(0.55, 0.17, 0.026, 0.2),
    Light(0.20, 0.36, 0.026, 0.9),
    Light(0.63, 0.44, 0.024, 0.7),
    Light(0.90, 0.46, 0.030, 0.4),
    Light(0.07, 0.58, 0.020, 0.2),
    Light(0.42, 0.60, 0.020, 1.0),
)
VORTICES = ((0.40, 0.33, 0.16, 1.0), (0.62, 0.30, 0.10, -1.0), (0.20, 0.55, 0.11, -0.8), (0.78, 0.58, 0.12, 0.9))


def _horizon(x: Floats) -> Floats:
    return np.asarray(0.75 + 0.05 * np.sin(5.2 * x + 0.6) + 0.025 * np.sin(13.0 * x))


def _stream(x: Floats, y: Floats) -> Floats:
    """Stream function of the wind: the brush follows its level lines."""
    psi = 0.55 * y + 0.05 * np.sin(6.5 * x + 2.0 * y) + 0.03 * np.sin(11.0 * x - 7.0 * y)
    for cx, cy, size, turn in VORTICES:
        psi = psi + turn * 0.35 * size * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2)) * 2.2
    for light in LIGHTS:
        reach = 2.2 * light.radius
        psi = psi + 1.6 * reach * np.exp(-((x - light.x) ** 2 + (y - light.y) ** 2) / (2 * reach**2))
    land = np.clip((y - _horizon(x)) / 0.03, 0.0, 1.0)
    ridges = 0.8 * (y - 0.9 * _horizon(x)) + 0.03 * np.sin(9.0 * x + 22.0 * y)
    return np.asarray(psi * (1 - land) + ridges * land)


def flow_at(points: Floats) -> Floats:
    """Unit direction of the brush at points of shape (n, 2), in units of the picture's size."""
    step = 1e-3
    x, y = points[:, 0], points[:, 1]
    dpsi_dx = _stream(x + step, y) - _stream(x - step, y)
    dpsi_dy = _stream(x, y + step) - _stream(x, y - step)
    flow = np.stack([dpsi_dy, -dpsi_dx], axis=1)
    return np.asarray(flow / np.maximum(np.hypot(flow[:, 0], flow[:, 1]), 1e-9)[:, None])


def _ramp(t: Floats, *stops: Floats) -> Floats:
    """Colours along evenly spaced stops; `t` from 0 to 1."""
    place = np.clip(t, 0.0, 1.0) * (len(stops) - 1)
    low = np.minimum(place.astype(int), len(stops) - 2)
    table = np.stack(stops)
    share = (place - low)[..., None]
    return np.asarray(table[low] * (1 - share) + table[low + 1] * share)


def colour_at(points: Floats) -> Floats:
    """Colour of the scene at points of shape (n, 2): (n, 3), sRGB 0 to 1."""
    x, y = points[:, 0], points[:, 1]
    bands = 0.5 + 0.5 * np.sin(52.0 * _stream(x, y) + 1.5 * np.sin(7 * x))
    depth = np.clip(0.16 + 0.55 * bands**1.4 + 0.42 * (y - 0.35), 0.0, 1.0)
    colour = _ramp(depth, INK, PRUSSIAN, COBALT, CERULEAN, AQUA, PALE)
    for light in LIGHTS:
        colour = _shine(colour, np.hypot(x - light.x, y - light.y) / light.radius, light.warm)
    return _ground(colour, x, y)


def _shine(colour: Floats, r: Floats, warm: float) -> Floats:
    """A light's core, its gold rim and its fading rings over the sky; `r` in core radii."""
    rings = 0.5 + 0.5 * np.cos(5.2 * r)
    halo = _ramp(rings, AQUA * (1 - warm) + AMBER * warm, PALE * (1 - warm) + GOLD * warm)
    share = np.clip(1.25 - r / 2.9, 0.0, 1.0)[:, None] * (0.35 + 0.65 * rings)[:, None]
    colour = colour * (1 - share) + halo * share
    core = np.clip((1.25 - r) / 0.35, 0.0, 1.0)[:, None]
    return np.asarray(colour * (1 - core) + _ramp(np.clip(r, 0, 1), CREAM, CREAM, GOLD) * core)


def _ground(colour: Floats, x: Floats, y: Floats) -> Floats:
    """Hills, and a village of dark roofs and lit windows."""
    depth = y - _horizon(x)
    folds = 0.5 + 0.5 * np.sin(70.0 * depth + 6.0 * np.sin(6.0 * x))
    hills = _ramp(folds, INK, PINE, VIOLET * 0.8 + PRUSSIAN * 0.2, COBALT, CERULEAN * 0.9)
    column, row = np.floor(x * 26), np.floor((depth - 0.05) * 30)
    lottery = np.modf(np.abs(np.sin(column * 12.9898 + row * 78.233) * 43758.5453))[0]
    window = (lottery > 0.62) & (depth > 0.05) & (depth < 0.2)
    glow = _ramp(lottery * 7 % 1, EMBER, AMBER, GOLD, CREAM)
    hills = np.where(window[:, None], glow, hills)
    return np.where((depth > 0)[:, None], hills, colour)


@dataclass(frozen=True, slots=True)
class Layer:
    """One pass of the brush: stroke width and length in pixels, spacing in widths, variation of the colour."""

    width: float
    length: float
    spacing: float
    variation: float


LAYERS = (Layer(22, 70, 0.8, 0.10), Layer(13, 58, 0.85, 0.13), Layer(9, 44, 1.0, 0.16), Layer(6, 30, 2.1, 0.22))


def paint(seed: int = 1889, size: int = SIZE) -> Floats:
    """The picture, (size, size, 3) sRGB 0 to 1. Strokes keep their width in pixels whatever the size."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(paint=np.tile(INK, (size, size, 1)), height=np.zeros((size, size)))
    for layer in LAYERS:
        for stroke in _strokes(rng, layer, size):
            canvas.lay(stroke)
    return lit(canvas)


def _strokes(rng: np.random.Generator, layer: Layer, size: int) -> list[Stroke]:
    """The strokes of one layer in random order, on a jittered grid."""
    step = layer.width * layer.spacing
    grid = np.arange(-1.0, size / step + 1.0)
    starts = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    starts = rng.permutation((starts + rng.uniform(-0.5, 0.5, starts.shape)) * step)
    lengths = layer.length * rng.uniform(0.6, 1.3, len(starts))
    spines = _spines(starts / size, lengths / size)
    colours = _vary(rng, colour_at(spines[:, spines.shape[1] // 2]), layer.variation)
    widths = layer.width * rng.uniform(0.7, 1.2, len(starts))
    seeds = rng.integers(0, 2**31, len(starts))
    return [
        Stroke(spine=spines[i] * size, width=float(widths[i]), colour=colours[i], seed=int(seeds[i]))
        for i in range(len(starts))
    ]


def _spines(starts: Floats, lengths: Floats, steps: int = 7) -> Floats:
    """Follow the flow from each start: (n, steps + 1, 2)."""
    points = [starts]
    for _ in range(steps):
        points.append(points[-1] + flow_at(points[-1]) * (lengths / steps)[:, None])
    return np.stack(points, axis=1)


def _vary(rng: np.random.Generator, colours: Floats, variation: float) -> Floats:
    """Lighten, darken and tint each stroke a little, and now and then use the opposite colour as an accent."""
    light = 1.0 + variation * rng.standard_normal((len(colours), 1)) * 1.3
    tint = variation * 0.35 * rng.standard_normal(colours.shape)
    varied = colours * light + tint
    accent = rng.random(len(colours)) < 0.02
    varied[accent] = 0.3 * varied[accent] + 0.7 * AMBER
    return np.clip(varied, 0.0, 1.0)
