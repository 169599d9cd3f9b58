import threading

import pytest
from activity_bench import RUN, Bench

from activities.states import RunStates
from dropscore.contracts import layout
from dropscore.contracts.errors import NotFoundError, TransientCloudError
from dropscore.contracts.names import ActivityName
from dropscore.contracts.orchestration import RunRef, StatusChange
from dropscore.contracts.run import RunState, RunStatus


def record(bench: Bench, status: RunStatus) -> None:
    bench.call(ActivityName.RECORD_STATUS, StatusChange(run_id=RUN, status=status), RunRef)


def test_statuses_follow_one_another_with_their_times(bench: Bench) -> None:
    bench.ask_for()
    for status in (RunStatus.PLANNING, RunStatus.PROVISIONING, RunStatus.STITCHING):
        bench.clock.advance(10)
        record(bench, status)
    stages = bench.state().stages
    assert [stage.status.value for stage in stages] == ["pending", "planning", "provisioning", "stitching"]
    assert [stage.at[17:19] for stage in stages] == ["00", "10", "20", "30"]
    assert bench.listed()["status"] == "stitching"


@pytest.mark.parametrize("status", [RunStatus.PLANNING, RunStatus.PROVISIONING, RunStatus.SCORING])
def test_restarted_run_does_not_go_back(bench: Bench, status: RunStatus) -> None:
    before = bench.enter(RunStatus.SCORING)
    record(bench, status)
    assert bench.state() == before


@pytest.mark.parametrize("status", list(RunStatus))
def test_nothing_follows_an_end(bench: Bench, status: RunStatus) -> None:
    before = bench.enter(RunStatus.CANCELLED)
    record(bench, status)
    assert bench.state() == before


def test_statuses_in_between_are_filled_in_when_the_state_was_lost(bench: Bench) -> None:
    bench.ask_for()
    record(bench, RunStatus.SCORING)
    assert [stage.status.value for stage in bench.state().stages] == ["pending", "planning", "provisioning", "scoring"]


def test_run_that_nobody_asked_for_has_no_state(bench: Bench) -> None:
    with pytest.raises(NotFoundError):
        record(bench, RunStatus.PLANNING)


@pytest.mark.fault(27)
def test_changes_at_once_lose_none(bench: Bench) -> None:
    bench.enter(RunStatus.SCORING)
    states = RunStates(bench.memory.cloud)
    together = threading.Barrier(4)

    def count_up() -> None:
        together.wait()
        for _ in range(5):
            states.change(RUN, lambda state: state.model_copy(update={"items_done": state.items_done + 1}))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.state().items_done == 20


@pytest.mark.fault(27)
def test_of_fifty_that_change_at_once_each_is_counted_or_told_to_come_again(bench: Bench) -> None:
    bench.enter(RunStatus.SCORING)
    states, told, together = RunStates(bench.memory.cloud), [], threading.Barrier(50)

    def count_up() -> None:
        together.wait()
        try:
            states.change(RUN, lambda state: state.model_copy(update={"items_done": state.items_done + 1}))
        except TransientCloudError as error:
            told.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.state().items_done == 50 - len(told)


def test_state_that_never_holds_still_is_a_transient_failure(bench: Bench) -> None:
    state = bench.enter(RunStatus.SCORING)
    states = RunStates(bench.memory.cloud)

    def overtaken(state: RunState) -> RunState:
        bench.enter(RunStatus.SCORING)
        return state.model_copy(update={"items_done": 1})

    with pytest.raises(TransientCloudError):
        states.change(RUN, overtaken)
    assert bench.state() == state


def test_state_that_is_already_right_is_not_written(bench: Bench) -> None:
    bench.enter(RunStatus.SCORING)
    etag = bench.memory.blobs.get(layout.state(RUN)).etag
    RunStates(bench.memory.cloud).change(RUN, lambda state: state)
    assert bench.memory.blobs.get(layout.state(RUN)).etag == etag
