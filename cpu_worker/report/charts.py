"""Geometry of the report's charts, in a coordinate system of 1,000 units from left to right.

The drawings are stretched to the width of the page and hold no text, so they stay sharp and readable at any width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dropscore.contracts.item_table import STEPS, step_seconds, total_seconds
from dropscore.contracts.report import ShardLine, StageSpan
from dropscore.contracts.verdict import ItemTiming, Outcome
from dropscore.quantities import duration

WIDTH: Final = 1000.0
GANTT_ROW: Final = 12
"""Height of one row of shards, with its gap."""
MAX_GANTT_WORKERS: Final = 40
TICKS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle: left edge and width in units, the class that colours it, and what it says when pointed at."""

    x: float
    width: float
    kind: str
    label: str = ""
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GanttLane:
    """The shards of one worker; those that overlap lie in rows below each other."""

    worker: str
    rows: int
    bars: tuple[Bar, ...]

    @property
    def height(self) -> int:
        """Height in units."""
        return self.rows * GANTT_ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Gantt:
    """All shards by worker, over the time from the first shard's start to the last one's end."""

    lanes: tuple[GanttLane, ...]
    hidden_workers: int
    ticks: tuple[str, ...]


def stage_bars(stages: Sequence[StageSpan]) -> tuple[Bar, ...]:
    """The run's stages one after another."""
    labels = (f"{span.status.value}: {duration(span.duration_s)}" for span in stages)
    kinds = (f"st-{span.status.value}" for span in stages)
    return _stack([span.duration_s for span in stages], kinds, labels)


def item_bars(timing: ItemTiming, most_s: float) -> tuple[Bar, ...]:
    """The steps of one item; `most_s` is the time of an item that fills the width."""
    seconds = step_seconds(timing)
    share = total_seconds(timing) / most_s if most_s > 0 else 0.0
    return _stack(seconds, (f"c-{step}" for step in STEPS), ("" for _ in STEPS), width=WIDTH * min(1.0, share))


def step_bars(totals: Sequence[tuple[str, float]]) -> tuple[Bar, ...]:
    """How the time of all items divides into (step, seconds)."""
    labels = (f"{step}: {duration(seconds)}" for step, seconds in totals)
    return _stack([seconds for _, seconds in totals], (f"c-{step}" for step, _ in totals), labels)


def gantt(shards: Sequence[ShardLine]) -> Gantt:
    """Shards by worker. Workers are in the order in which they began."""
    if not shards:
        return Gantt(lanes=(), hidden_workers=0, ticks=())
    first_s = min(shard.start_s for shard in shards)
    span_s = max(max(shard.start_s + shard.duration_s for shard in shards) - first_s, 1e-6)
    by_worker: dict[str, list[ShardLine]] = {}
    for shard in sorted(shards, key=lambda shard: (shard.start_s, shard.shard_id)):
        by_worker.setdefault(shard.worker, []).append(shard)
    shown = list(by_worker.items())[:MAX_GANTT_WORKERS]
    return Gantt(
        lanes=tuple(_lane(worker, lines, first_s, span_s) for worker, lines in shown),
        hidden_workers=len(by_worker) - len(shown),
        ticks=tuple(duration(first_s + span_s * tick / (TICKS - 1)) for tick in range(TICKS)),
    )


def _lane(worker: str, shards: Sequence[ShardLine], first_s: float, span_s: float) -> GanttLane:
    free_at: list[float] = []
    bars = []
    for shard in shards:
        row = next((row for row, free in enumerate(free_at) if free <= shard.start_s), len(free_at))
        if row == len(free_at):
            free_at.append(0.0)
        free_at[row] = shard.start_s + shard.duration_s
        bars.append(_shard_bar(shard, row, first_s, span_s))
    return GanttLane(worker=worker, rows=len(free_at), bars=tuple(bars))


def _shard_bar(shard: ShardLine, row: int, first_s: float, span_s: float) -> Bar:
    kind = "g-failed" if shard.outcome is not Outcome.DONE else "g-retried" if shard.attempt > 1 else "g-done"
    last_item = shard.first_item + shard.items - 1
    again = f", attempt {shard.attempt}" if shard.attempt > 1 else ""
    return Bar(
        x=_round(WIDTH * (shard.start_s - first_s) / span_s),
        width=max(1.0, _round(WIDTH * shard.duration_s / span_s)),
        kind=kind,
        label=f"shard {shard.shard_id}, items {shard.first_item} to {last_item}: "
        f"{duration(shard.duration_s)}, {shard.outcome.value}{again}",
        row=row,
    )


def _stack(
    amounts: Sequence[float], kinds: Iterable[str], labels: Iterable[str], *, width: float = WIDTH
) -> tuple[Bar, ...]:
    """Bars one after another that fill `width` in the proportion of `amounts`; none for what is nothing."""
    total = sum(amounts)
    bars = []
    at = 0.0
    for amount, kind, label in zip(amounts, kinds, labels, strict=True):
        part = width * amount / total if total > 0 else 0.0
        if part > 0:
            bars.append(Bar(x=_round(at), width=max(0.1, _round(part)), kind=kind, label=label))
        at += part
    return tuple(bars)


def _round(units: float) -> float:
    return round(units, 1)
