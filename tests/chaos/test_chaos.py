"""Whole runs in a whole local cloud, each harmed in its own way, and right all the same. The long set: `make chaos`."""

from collections.abc import Iterator

import pytest
from harness.figures import Result
from harness.processes import Role
from harness.schedule import KINDS, Action, Moment, Schedule, Shape, Stage, Strike
from harness.trial import Trial

from localcloud.node import NodeError

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.localcloud,
    pytest.mark.slow,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.timeout(420),
]

SHARDS = 60


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """One cloud for all runs, stopped as a user stops it, with no process left."""
    try:
        with Trial() as running:
            yield running
            running.down()
    except NodeError as error:
        pytest.skip(f"no storage emulator: {error}")


def right(result: Result) -> Result:
    assert result.wrong == (), "\n".join((*result.strikes, *result.wrong))
    return result


def struck(role: Role | None, moment: Moment, action: Action = Action.KILL, for_s: float = 0.0) -> Schedule:
    strike = Strike(action=action, role=role, moment=moment, for_s=for_s)
    return Schedule(kind="one", seed=0, shape=Shape(shards=SHARDS), strikes=(strike,))


def during(stage: Stage) -> Moment:
    return Moment(stage=stage, delay_s=0.05, verdict=SHARDS // 4)


@pytest.mark.fault(19)
@pytest.mark.parametrize("role", [Role.WORKER, Role.WORKER_CHILD])
def test_the_shards_of_a_killed_worker_are_scored_elsewhere(trial, role):
    assert right(trial.result(struck(role, during(Stage.SCORING)))).hits == 1


@pytest.mark.fault(31)
@pytest.mark.fault(47)
@pytest.mark.parametrize(("role", "stage"), [(Role.PLANNER, Stage.PLANNING), (Role.STITCHER, Stage.STITCHING)])
def test_a_killed_container_is_started_again(trial, role, stage):
    right(trial.result(struck(role, during(stage))))


@pytest.mark.fault(37)
def test_a_killed_functions_host_goes_on_where_it_was(trial):
    assert right(trial.result(struck(Role.HOST, during(Stage.SCORING)))).hits == 1


@pytest.mark.fault(22)
def test_a_worker_that_was_stopped_for_longer_than_its_lease_spoils_nothing(trial):
    stopped = struck(Role.WORKER, during(Stage.SCORING), Action.STOP, for_s=5.0)
    assert right(trial.result(stopped)).hits == 1


@pytest.mark.fault(21)
def test_an_evicted_node_takes_nothing_with_it(trial):
    right(trial.result(struck(None, during(Stage.SCORING), Action.EVICT, for_s=1.0)))


@pytest.mark.fault(41)
@pytest.mark.fault(54)
def test_a_replay_after_the_fix_scores_exactly_what_was_in_quarantine(trial):
    right(trial.result(KINDS["redrive"](0, shards=20)))


@pytest.mark.fault(1)
def test_fifty_copies_of_a_trigger_event_are_one_run(trial):
    assert right(trial.result(KINDS["duplicates"](0))).scored_again == 0


@pytest.mark.fault(50)
def test_a_cancelled_run_leaves_nothing_within_seconds(trial):
    cancelled = struck(None, during(Stage.SCORING), Action.CANCEL)
    result = right(trial.result(cancelled))
    assert result.cancel_s is not None
    assert result.cancel_s < 10
