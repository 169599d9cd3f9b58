"""Temporal flicker: how much a result changes where its input stands still.

Measured without optical flow. Luma is sampled on a fixed grid; between consecutive frames, the points whose input
changes by `STILL_LEVELS` or less are the still ones. Over all still points of all pairs the mean absolute change of
the output is taken through that of the input. 1 means as steady as the input; a style that boils on a still
background gives 5 and more. Pairs in which hardly anything stands still (a cut, a moving camera) do not count.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dropscore.contracts.base import Json
from dropscore.workloads.media.colour import Pixels

STILL_LEVELS: Final = 2.0
"""Largest change of a still point's input, in levels of 0 to 255: what sensors and codecs leave as noise."""

STILL_SHARE: Final = 0.02
"""Smallest share of still points with which a pair of frames counts."""

NOISE_FLOOR: Final = 0.1
"""The input's change is taken for at least this many levels, so that still graphics do not make every
change look endless."""

GRID_POINTS: Final = 160
"""Sampled points along the longer side, at most."""

_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flicker:
    """Sums over the still points of a number of pairs of frames, so that shards add up exactly."""

    pairs: int = 0
    points: int = 0
    input_change: float = 0.0
    output_change: float = 0.0

    def __add__(self, other: "Flicker") -> "Flicker":
        return Flicker(
            pairs=self.pairs + other.pairs,
            points=self.points + other.points,
            input_change=self.input_change + other.input_change,
            output_change=self.output_change + other.output_change,
        )

    @property
    def ratio(self) -> float | None:
        """Mean change of the output at still points through that of the input; None when nothing stood still."""
        if self.points == 0:
            return None
        return (self.output_change / self.points) / max(self.input_change / self.points, NOISE_FLOOR)

    def to_json(self) -> dict[str, Json]:
        """Plain values for a verdict."""
        return {
            "pairs": self.pairs,
            "points": self.points,
            "input_change": round(self.input_change, 3),
            "output_change": round(self.output_change, 3),
        }

    @classmethod
    def from_json(cls, value: Json) -> "Flicker":
        """Read what `to_json` gave; nothing for anything else."""
        if not isinstance(value, dict):
            return cls()
        numbers = {name: value.get(name) for name in ("pairs", "points", "input_change", "output_change")}
        if not all(isinstance(number, int | float) for number in numbers.values()):
            return cls()
        return cls(**numbers)  # type: ignore[arg-type]  # checked above


class FlickerMeter:
    """Takes the frames of one shard in order, input and output of each. Pairs lie inside segments, so that the sums
    do not depend on how shards were cut.
    """

    def __init__(self) -> None:
        self._last: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None = None
        self._sum = Flicker()

    def add(self, before: Pixels, after: Pixels) -> None:
        """The next frame: its input and its result, both (H, W, 3) RGB uint8 of one size."""
        current = (_sampled_luma(before), _sampled_luma(after))
        if self._last is not None and self._last[0].shape == current[0].shape:
            self._sum += _between(self._last, current)
        self._last = current

    def cut(self) -> None:
        """The next frame begins a segment: it makes no pair with the one before."""
        self._last = None

    @property
    def total(self) -> Flicker:
        """What was measured so far."""
        return self._sum


def _sampled_luma(pixels: Pixels) -> npt.NDArray[np.float32]:
    step = max(-(-max(pixels.shape[:2]) // GRID_POINTS), 1)
    luma: npt.NDArray[np.float32] = pixels[step // 2 :: step, step // 2 :: step].astype(np.float32) @ _LUMA
    return luma


def _between(
    last: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    current: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> Flicker:
    change_in, change_out = (np.abs(now - then) for then, now in zip(last, current, strict=True))
    still = change_in <= STILL_LEVELS
    points = int(still.sum())
    if points < STILL_SHARE * still.size:
        return Flicker()
    return Flicker(
        pairs=1,
        points=points,
        input_change=float(change_in[still].sum()),
        output_change=float(change_out[still].sum()),
    )
