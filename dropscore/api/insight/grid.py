"""All shards of a run at a glance. Pure."""

from collections import Counter
from collections.abc import Collection

from dropscore.api.insight.boards import Board
from dropscore.api.insight.plans import Plan
from dropscore.contracts.http.items import ShardGrid, ShardState


def shard_grid(run_id: str, plan: Plan | None, board: Board, working: Collection[int]) -> ShardGrid:
    """The grid. `working` are the shards that workers say they are scoring now; before there is a plan it is empty."""
    if plan is None:
        return ShardGrid(run_id=run_id, shards_total=0, states="", counts={})
    states = bytearray(board.states[: plan.shards].ljust(plan.shards, ShardState.WAITING), "ascii")
    for shard_id in working:
        if shard_id < plan.shards and states[shard_id] == ord(ShardState.WAITING):
            states[shard_id] = ord(ShardState.WORKING)
    text = states.decode("ascii")
    return ShardGrid(
        run_id=run_id,
        shards_total=plan.shards,
        states=text,
        counts=dict(sorted(Counter(text).items())),
        first_items=tuple(plan.first_items[:-1]),
    )
