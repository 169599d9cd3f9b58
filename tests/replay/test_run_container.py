from typing import Any

import pytest
from driving import Drive, drive, result_of
from worlds import RUN, Containers

from dropscore.contracts.base import Contract
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import Role
from dropscore.contracts.orchestration import ContainerEnd, ContainerPhase, ContainerRun, RunRef
from dropscore.contracts.request import RunPolicy

WAITING, RUNNING, MISSING = ContainerPhase.WAITING, ContainerPhase.RUNNING, ContainerPhase.MISSING
SUCCEEDED, FAILED = ContainerPhase.SUCCEEDED, ContainerPhase.FAILED


def run(containers: Containers, policy: RunPolicy | None = None, **world: object) -> Drive:
    order = ContainerRun(run_id=RUN, role=Role.PLAN, policy=policy or RunPolicy())
    return drive("run_container", order, containers.world(**world))


def end_of(done: Drive) -> ContainerEnd:
    return result_of(ContainerEnd, done)


def test_product_that_exists_needs_no_container() -> None:
    done = run(Containers(attempts=[], product_at_s=0))
    assert done.calls() == ["check_container", "remove_container"]
    assert end_of(done).ok


def test_container_is_started_once_and_removed_once_its_product_exists() -> None:
    containers = Containers(attempts=[[WAITING, RUNNING, RUNNING]], product_at_s=0.5)
    done = run(containers)
    assert end_of(done).ok
    assert done.count("start_container") == 1
    assert containers.removed == [1]


def test_container_found_running_is_not_started_again() -> None:
    containers = Containers(attempts=[[RUNNING]], product_at_s=0.5)
    containers.start({"attempt": 1}, 0.0)
    done = run(containers)
    assert done.count("start_container") == 0
    assert end_of(done).ok


@pytest.mark.fault(30)
@pytest.mark.parametrize("ending", [FAILED, SUCCEEDED, MISSING])
def test_attempt_without_product_is_removed_before_the_next_one_begins(ending: ContainerPhase) -> None:
    containers = Containers(attempts=[[RUNNING, ending], [RUNNING]], product_after=(2, RUNNING))
    done = run(containers)
    assert end_of(done).ok
    assert [told["attempt"] for told in done.inputs("start_container")] == [1, 2]
    assert containers.removed == [1, 2]


@pytest.mark.fault(30)
def test_last_attempt_names_exit_code_and_attempts() -> None:
    containers = Containers(attempts=[[FAILED]] * 3)
    end = end_of(run(containers))
    assert not end.ok
    assert end.failure is not None
    assert end.failure.code is Code.CONTAINER_FAILED
    assert end.failure.message == "The planning container (attempt 3 of 3) ended with exit code 1."
    assert containers.removed == [1, 2, 3]


def test_failure_that_the_container_wrote_down_is_not_tried_again() -> None:
    why = failure(Code.INPUT_UNREADABLE, input="a.mp4")
    containers = Containers(attempts=[[RUNNING, FAILED]], failure=why)
    done = run(containers)
    assert end_of(done).failure == why
    assert done.count("start_container") == 1


@pytest.mark.fault(29)
def test_container_over_its_deadline_is_given_up_and_tried_again() -> None:
    policy = RunPolicy(container_deadline_s=5.0, container_attempts=2)
    done = run(Containers(attempts=[[RUNNING]] * 2), policy)
    end = end_of(done)
    assert end.failure is not None
    assert end.failure.code is Code.CONTAINER_TIMEOUT
    assert "within 5 s" in end.failure.message
    assert 10 <= done.elapsed_s < 13


def test_deadline_counts_over_generations() -> None:
    policy = RunPolicy(container_deadline_s=30.0, container_attempts=1, rounds_per_generation=5)
    done = run(Containers(attempts=[[RUNNING]]), policy)
    assert done.generations > 3
    assert 30 <= done.elapsed_s < 32


def test_cancelled_run_removes_its_container() -> None:
    containers = Containers(attempts=[[RUNNING]], cancelled_at_s=1.0)
    assert end_of(run(containers)).cancelled
    assert containers.removed == [1]


def test_nudge_is_seen_at_once() -> None:
    policy = RunPolicy(poll_first_s=10.0, poll_most_s=10.0)
    done = run(Containers(attempts=[[RUNNING]], product_at_s=2.0), policy, nudges_at_s=(2.0,))
    assert end_of(done).ok
    assert done.elapsed_s < 2.1


def test_waits_grow_from_the_first_to_the_longest_and_start_again_at_a_new_phase() -> None:
    policy = RunPolicy(poll_first_s=1.0, poll_growth=2.0, poll_most_s=4.0)
    containers = Containers(attempts=[[WAITING, WAITING, WAITING, WAITING, RUNNING, RUNNING]], product_at_s=20)
    waits = [entry[2] for entry in run(containers, policy).log if entry[0] == "timer"]
    assert waits[:6] == [1.0, 1.0, 2.0, 4.0, 4.0, 1.0]


def test_storm_of_nudges_stays_within_the_history_of_a_generation() -> None:
    nudges = tuple(step * 0.02 for step in range(1000))
    done = run(Containers(attempts=[[RUNNING]], product_at_s=20.0), nudges_at_s=nudges)
    assert end_of(done).ok
    assert done.most_events <= 300


@pytest.mark.fault(24)
@pytest.mark.parametrize("name", ["start_container", "check_container", "remove_container"])
def test_outage_of_ten_minutes_at_any_step_is_survived(name: str) -> None:
    world = Containers(attempts=[[RUNNING]], product_at_s=700.0).world()

    def gone(told: dict[str, Any], at: float) -> Contract:
        if at < 600.0:
            raise TransientCloudError("no answer")
        return world.answers[name](told, at)

    done = drive(
        "run_container",
        ContainerRun(run_id=RUN, role=Role.PLAN, policy=RunPolicy()),
        type(world)(answers={**world.answers, name: gone}),
    )
    assert end_of(done).ok
    assert done.most_events <= 300


@pytest.mark.fault(29)
def test_step_that_fails_for_good_is_an_end_with_the_container_removed() -> None:
    containers = Containers(attempts=[[RUNNING]])
    world = containers.world()

    def refuse(_: object, at: float) -> RunRef:
        raise TransientCloudError("no answer")

    done = drive(
        "run_container",
        ContainerRun(run_id=RUN, role=Role.PLAN, policy=RunPolicy()),
        type(world)(answers={**world.answers, "start_container": refuse}),
    )
    end = end_of(done)
    assert end.failure is not None
    assert end.failure.code is Code.STORAGE_UNAVAILABLE
    assert containers.removed == [1]
