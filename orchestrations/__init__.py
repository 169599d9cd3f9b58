"""When things happen: deterministic generators over durabletask.

    score_run       one run, from its request to its end
    run_container   one container of a run, until what it makes exists
    score_shards    the shards of a run, until each has a verdict
    decisions, shard_decisions    every choice of the three, as pure functions

Only `function_app.py` binds them. They never import `activities`: both know the names and payloads in
`dropscore.contracts`.
"""

from orchestrations.run_container import run_container
from orchestrations.score_run import score_run
from orchestrations.score_shards import score_shards

__all__ = ["run_container", "score_run", "score_shards"]
