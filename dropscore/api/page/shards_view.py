"""The shards of a run as the page shows them: all at a glance, and one of them closely."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dropscore.api.insight.insight import Insight
from dropscore.api.insight.items import ItemsWanted
from dropscore.api.page import words
from dropscore.contracts.http.items import ItemDocument, ItemState, ShardGrid, ShardState
from dropscore.contracts.run import RunState

MOST_ITEMS = 200
"""Items of one shard that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCard:
    """One shard closely. `items` are from `first_item` to `last_item`, both included."""

    shard_id: int
    state: ShardState
    first_item: int
    last_item: int
    worker: str | None
    seconds: float
    failed: tuple[ItemDocument, ...]
    done: int


def letters(grid: ShardGrid) -> list[tuple[ShardState, str, int]]:
    """Each state with its meaning, and how many shards are in it."""
    return [(state, words.SHARD_TITLES[state], grid.counts.get(state.value, 0)) for state in ShardState]


def titles() -> str:
    """The meaning of each letter, as JSON for the script."""
    return json.dumps({state.value: title for state, title in words.SHARD_TITLES.items()})


def first_items(grid: ShardGrid) -> str:
    """Where each shard begins, as JSON for the script: (shard, its first item, items of each shard from there on),
    one entry wherever the number of items changes.
    """
    rows: list[list[int]] = []
    firsts = grid.first_items
    for shard, first in enumerate(firsts):
        step = firsts[shard + 1] - first if shard + 1 < len(firsts) else None
        if not rows or step not in (None, rows[-1][2]):
            rows.append([shard, first, step or 0])
    return json.dumps(rows, separators=(",", ":"))


def chosen(query: Mapping[str, str], grid: ShardGrid) -> int | None:
    """The shard that a page's query names; None for none, or one that the run has not."""
    text = query.get("shard", "")
    shard_id = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    return shard_id if 0 <= shard_id < len(grid.first_items) else None


def card(insight: Insight, state: RunState, grid: ShardGrid, shard_id: int) -> ShardCard:
    """One shard closely: reads its verdict, if there is one."""
    first = grid.first_items[shard_id]
    end = grid.first_items[shard_id + 1] if shard_id + 1 < len(grid.first_items) else max(state.items_total, first + 1)
    wanted = ItemsWanted(limit=min(MOST_ITEMS, end - first), after=first - 1, most_reads=1)
    items = insight.items(state, wanted).items
    timings = [item.timing for item in items if item.timing is not None]
    return ShardCard(
        shard_id=shard_id,
        state=ShardState(grid.states[shard_id]),
        first_item=first,
        last_item=end - 1,
        worker=next((item.worker for item in items if item.worker), None),
        seconds=sum(words.total_seconds(timing) for timing in timings),
        failed=tuple(item for item in items if item.state is ItemState.FAILED),
        done=sum(item.state is ItemState.DONE for item in items),
    )
