"""How fast a run goes, and when its last item will be scored. Pure.

It is told from the verdicts alone, which say when each shard was settled and how long it took: so everybody is told the
same, however late or seldom they ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from statistics import median
from typing import Final

from dropscore.api.insight.boards import Step

LEAST_STEPS: Final = 3
"""Shards settled before anything is said."""
MOST_POINTS: Final = 40
APART: Final = 0.7
"""Two moments are compared when they are at least this share of a shard's time apart: workers that began together also
end together, and between their ends there is no telling."""
PATIENCE_S: Final = 5.0
"""How late the end may be, at least, before no more is said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Items a second, and the seconds until the last item is scored; None where it cannot be told."""

    rate_per_s: float | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Point:
    at_s: float
    items: int
    """Settled until then, over all that are looked at."""


def pace(steps: Sequence[Step], *, left: int, now: str) -> Pace:
    """The pace by the shards settled last, in their order; `left` items are still to be scored.

    The rate is the median of the slopes between moments far enough apart (after Theil and Sen), so that one slow start,
    one pause or one burst does not move it much.
    """
    if len(steps) < LEAST_STEPS:
        return Pace()
    shard_s = median(step.duration_s for step in steps)
    points = _points(steps)
    rate = _slope(points, APART * shard_s) or _since_begin(steps)
    if rate is None:
        return Pace()
    silent_s = max(0.0, _seconds(now) - points[-1].at_s)
    eta_s = left / rate - silent_s
    overdue = eta_s < -max(PATIENCE_S, 2 * shard_s)
    return Pace(rate_per_s=rate, eta_s=None if overdue else max(0.0, eta_s))


def _points(steps: Sequence[Step]) -> list[_Point]:
    """When how many items were settled, evenly thinned out; the last is always there."""
    totals = accumulate(step.items for step in steps)
    points = [_Point(_seconds(step.at), total) for step, total in zip(steps, totals, strict=True)]
    stride = -(-len(points) // MOST_POINTS)
    return points[::-1][::stride][::-1]


def _slope(points: Sequence[_Point], apart_s: float) -> float | None:
    slopes = [
        (later.items - earlier.items) / span_s
        for place, earlier in enumerate(points)
        for later in points[place + 1 :]
        if (span_s := later.at_s - earlier.at_s) > 0 and span_s >= apart_s
    ]
    return median(slopes) or None if slopes else None


def _since_begin(steps: Sequence[Step]) -> float | None:
    """All items over the time since the first of these shards was begun."""
    begun = min(_seconds(step.at) - step.duration_s for step in steps)
    span_s = _seconds(steps[-1].at) - begun
    return sum(step.items for step in steps) / span_s if span_s > 0 else None


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
