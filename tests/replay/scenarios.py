"""The scenarios whose decisions are committed below `golden/`: a change of one is a change for runs under way.

`python tests/replay/scenarios.py` writes them anew; look at the difference, and say in the commit why it is safe.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from driving import Drive, drive
from worlds import POLICY, RUN, Containers, Shards, run_world

from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import Lane, Role
from dropscore.contracts.orchestration import (
    Admission,
    CleanedUp,
    ContainerEnd,
    ContainerPhase,
    ContainerRun,
    RunRef,
    ScoreEnd,
    ScoreShards,
)
from dropscore.contracts.request import RunPolicy

USUAL = RunPolicy().model_dump(mode="json")
GOLDEN = Path(__file__).parent / "golden"
RUNNING, WAITING, FAILED = ContainerPhase.RUNNING, ContainerPhase.WAITING, ContainerPhase.FAILED


def succeeding_run() -> Drive:
    return drive("score_run", RunRef(run_id=RUN), run_world())


def rejected_run() -> Drive:
    why = failure(Code.INPUT_MISSING, input="film.mp4", field="inputs")
    return drive("score_run", RunRef(run_id=RUN), run_world(admit=lambda _, at: Admission(run_id=RUN, failure=why)))


def cancelled_run() -> Drive:
    world = run_world(score_shards=lambda _, at: ScoreEnd(items_done=10, items_failed=0, cancelled=True))
    return drive("score_run", RunRef(run_id=RUN), world)


def run_whose_plan_fails() -> Drive:
    why = failure(Code.CONTAINER_FAILED)
    return drive(
        "score_run", RunRef(run_id=RUN), run_world(run_container=lambda _, at: ContainerEnd(ok=False, failure=why))
    )


def run_cleaned_up_in_steps() -> Drive:
    left = iter([False, False, True])
    return drive("score_run", RunRef(run_id=RUN), run_world(clean_up=lambda _, at: CleanedUp(done=next(left))))


def planning_container() -> Drive:
    containers = Containers(attempts=[[WAITING, RUNNING, RUNNING]], product_at_s=0.4)
    return drive("run_container", ContainerRun(run_id=RUN, role=Role.PLAN, policy=POLICY), containers.world())


def container_that_fails_once() -> Drive:
    containers = Containers(attempts=[[WAITING, FAILED], [RUNNING]], product_after=(2, RUNNING))
    return drive("run_container", ContainerRun(run_id=RUN, role=Role.STITCH, policy=POLICY), containers.world())


def container_over_generations() -> Drive:
    policy = RunPolicy(rounds_per_generation=3)
    containers = Containers(attempts=[[RUNNING]], product_at_s=2.0)
    world = containers.world(nudges_at_s=(0.3, 0.31, 1.2))
    return drive("run_container", ContainerRun(run_id=RUN, role=Role.PLAN, policy=policy), world)


def few_shards() -> Drive:
    shards = Shards(shards=3, pace_s=0.2)
    return drive("score_shards", scoring(3), shards.world(nudges_at_s=(0.2, 0.4, 0.6)))


def shards_in_pages() -> Drive:
    shards = Shards(shards=2500, page=1000, pace_s=0.0005)
    return drive("score_shards", scoring(2500), shards.world(durations_s={"enqueue_shards": 1.0}))


def lost_shards() -> Drive:
    shards = Shards(shards=4, pace_s=0.1, lost=range(1, 3))
    return drive("score_shards", scoring(4), shards.world())


def suspended_shards() -> Drive:
    shards = Shards(shards=4, pace_s=0.1, suspended_s=(0.2, 30.0))
    return drive("score_shards", scoring(4), shards.world(nudges_at_s=(30.0,)))


def suspended_container() -> Drive:
    containers = Containers(attempts=[[RUNNING]], product_after=(1, RUNNING), suspended_s=(0.0, 12.0))
    return drive("run_container", ContainerRun(run_id=RUN, role=Role.STITCH, policy=POLICY), containers.world())


def scoring(shards: int, policy: RunPolicy = POLICY) -> ScoreShards:
    """The order to score `shards` shards of 10 items."""
    return ScoreShards(run_id=RUN, lane=Lane.NORMAL, policy=policy, shards=shards, items=10 * shards)


SCENARIOS: dict[str, Callable[[], Drive]] = {
    scenario.__name__: scenario
    for scenario in (
        succeeding_run,
        rejected_run,
        cancelled_run,
        run_whose_plan_fails,
        run_cleaned_up_in_steps,
        planning_container,
        container_that_fails_once,
        container_over_generations,
        few_shards,
        shards_in_pages,
        lost_shards,
        suspended_shards,
        suspended_container,
    )
}


def text_of(done: Drive) -> str:
    """A decision log as it is committed: one decision a line. Of a policy it tells what is not usual, so that a new
    setting is no change of every story.
    """
    entries = [*done.log, ["return", "return", done.result]]
    lines = ",\n ".join(json.dumps(_told(entry), sort_keys=True) for entry in entries)
    return f"[{lines}]\n"


def _told(entry: list[Any]) -> list[Any]:
    kind, name, payload = entry
    if isinstance(payload, dict) and "policy" in payload:
        unusual = {key: value for key, value in payload["policy"].items() if value != USUAL[key]}
        payload = payload | {"policy": unusual}
    return [kind, name, payload]


if __name__ == "__main__":
    for name, scenario in SCENARIOS.items():
        (GOLDEN / f"{name}.json").write_text(text_of(scenario()), encoding="utf-8")
