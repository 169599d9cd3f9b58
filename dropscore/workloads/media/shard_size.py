"""How many items a shard should hold: small shards are cheap to repeat, large ones have less set-up. Pure."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dropscore.contracts.plan import MAX_SHARDS
from dropscore.workloads.base import Pace

REPEAT_CHANCE = 1e-4
"""Chance that an item makes its whole shard be done again (a lost worker, an eviction)."""

DECODE_MEGAPIXEL_S = 0.006
"""Seconds to decode a million pixels that are dropped afterwards."""

MAX_ITEMS = 2_000
"""Most items of one shard, so that its verdict stays small."""

MAX_PIXELS = 1_000_000_000
"""Most pixels of one shard, so that its part, some 70 MB then, fits into a worker's memory beside others."""

_TRIED = 48
"""Sizes compared at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSize:
    """The choice. `reason` is one sentence with its figures."""

    items: int
    wall_s: float
    reason: str


def choose_shard_size(
    *,
    items: int,
    pixels: float,
    pace: Pace,
    target_shard_s: float,
    dropped: Callable[[int], float] | None = None,
) -> ShardSize:
    """The size with the smallest expected wall time.

    Args:
        items: items of the run, 1 or more.
        pixels: average pixels of an item.
        pace: set-up of a shard, seconds for a megapixel, and lanes that score at once.
        target_shard_s: longest time the items of one shard may take.
        dropped: for a size, the items that are decoded only to be dropped.

    The expected wall time of J = ⌈items / k⌉ shards of k items on n lanes is ⌈J / n⌉ · (setup + k · t), plus
    the work done twice (J · p · k² · t / n), plus the tail in which lanes wait for the last shard (k · t / 2 with
    more than one lane), plus dropped decoding.
    """
    item_s = max(pixels / 1e6 * pace.megapixel_s, 1e-6)
    lanes = max(pace.lanes, 1)
    most = max(min(items, MAX_ITEMS, int(MAX_PIXELS / max(pixels, 1)), int(target_shard_s / item_s)), 1)
    least = -(-items // MAX_SHARDS)
    most = max(most, least)
    wasted = dropped or _nothing

    def wall_s(size: int) -> float:
        shards = -(-items // size)
        rounds = -(-shards // lanes) * (pace.setup_s + size * item_s)
        repeated = shards * REPEAT_CHANCE * size * size * item_s / lanes
        tail = size * item_s / 2 if lanes > 1 else 0.0
        return rounds + repeated + tail + wasted(size) * pixels / 1e6 * DECODE_MEGAPIXEL_S / lanes

    walls = {size: wall_s(size) for size in _sizes(items, most) if size >= least}
    best = min(walls, key=lambda size: (walls[size], size))
    return ShardSize(items=best, wall_s=walls[best], reason=_reason(best, walls, items, lanes, item_s, pace))


def _sizes(items: int, most: int) -> Iterator[int]:
    """Sizes worth trying, the largest first: those that share the items out evenly, thinned to a few dozen."""
    fewest = -(-items // most)
    growth = max((items / fewest) ** (1 / _TRIED), 1.0)
    shards, previous = float(fewest), 0
    while True:
        size = min(-(-items // math.floor(shards)), most)
        if size != previous:
            yield size
        previous = size
        if size == 1 or shards >= items:
            return
        shards = min(max(shards * growth, math.floor(shards) + 1), items)


def _reason(best: int, walls: dict[int, float], items: int, lanes: int, item_s: float, pace: Pace) -> str:
    shards = -(-items // best)
    others = [size for size in walls if size != best and (size > 1.4 * best or size < best / 1.4)]
    larger = min((size for size in others if size > best), default=None)
    smaller = max((size for size in others if size < best), default=None)
    compared = "; ".join(f"{size} would take {walls[size]:.1f} s" for size in (smaller, larger) if size is not None)
    known = "measured" if pace.measured else "assumed"
    return (
        f"{_count(best, 'item')} a shard: {_count(shards, 'shard')} on {_count(lanes, 'lane')}, each "
        f"{pace.setup_s:.2f} s of set-up and {best} x {item_s:.3f} s ({known}), are expected to take "
        f"{walls[best]:.1f} s with repeats and idle ends" + (f"; {compared}" if compared else "")
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _nothing(_: int) -> float:
    """No frame is decoded in vain."""
    return 0.0
