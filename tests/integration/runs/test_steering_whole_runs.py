"""Runs that are suspended, resumed, rewound, cancelled at any stage, lost and found: real orchestrations throughout."""

import time

import pytest
from whole_runs import QUICK, House, request

from dropscore.cloud.operations import Operation
from dropscore.cloud.ports import ContainerSpec
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.errors import ContainerGoneError
from dropscore.contracts.failures import Code
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.run import RunStatus
from dropscore.contracts.sweep import SweepDeed

QUIET_S = 40.0
"""After so long nobody is taken for being at work on a run any more."""


def settled(house: House, run_id: str) -> int:
    return sum(name.startswith(f"{run_id}/verdicts/") for name in house.blobs(ContainerName.RUNS))


def wait_until_still(house: House, run_id: str) -> int:
    """Wait until no more shards are settled; returns how many are."""
    before = -1
    while (now := settled(house, run_id)) != before:
        before = now
        time.sleep(0.3)
    return now


@pytest.mark.fault(50)
def test_run_suspended_while_it_is_scored_stops_and_goes_on(house: House) -> None:
    house.containers.shards = 60
    worker = house.work(takes_s=0.01)
    run_id = house.drop()
    house.wait_until_status(run_id, "scoring")
    house.suspend(run_id)
    done = wait_until_still(house, run_id)
    assert 0 < done < 60
    assert house.memory.queue.bodies(QueueName.SHARDS_NORMAL) == [], "so that workers have nothing to do, and leave"
    assert house.state(run_id).status is RunStatus.SCORING
    house.resume(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert sorted(worker.scored) == list(range(60))
    assert house.left_behind(run_id) == []


@pytest.mark.fault(50)
@pytest.mark.parametrize("exits", [[], [1]])
def test_suspended_run_starts_no_container_and_finishes_the_one_there(house: House, exits: list[int]) -> None:
    house.work()
    house.containers.takes_s = 0.3
    house.containers.exits = {"plan": list(exits)}
    run_id = house.drop()
    while house.containers.carried != ["plan"]:
        time.sleep(0.005)
    house.suspend(run_id)
    time.sleep(1.5)
    assert house.containers.carried == ["plan"]
    planned = house.memory.blobs.head(layout.plan_index(run_id)) is not None
    assert planned is (exits == [])
    assert house.state(run_id).shards_settled == 0
    house.resume(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.containers.carried[-1] == "stitch"


@pytest.mark.fault(50)
def test_suspended_run_outlives_its_host_and_is_still_suspended(house: House) -> None:
    house.containers.shards = 40
    house.work(takes_s=0.01)
    run_id = house.drop()
    house.wait_until_status(run_id, "scoring")
    house.suspend(run_id)
    done = wait_until_still(house, run_id)
    house.restart(run_id)
    time.sleep(1.0)
    assert settled(house, run_id) == done
    house.resume(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED


@pytest.mark.fault(50)
def test_suspended_run_is_cancelled_at_once(house: House) -> None:
    house.containers.shards = 40
    house.work(takes_s=0.01)
    run_id = house.drop()
    house.wait_until_status(run_id, "scoring")
    house.suspend(run_id)
    house.cancel(run_id)
    assert house.end_of(run_id).status is RunStatus.CANCELLED
    assert house.left_behind(run_id) == []


def test_deadline_does_not_count_what_a_run_was_suspended(house: House) -> None:
    house.containers.shards = 40
    house.work(takes_s=0.01)
    run_id = house.drop(request(policy=QUICK | {"deadline_s": 4.0}))
    house.wait_until_status(run_id, "scoring")
    house.suspend(run_id)
    time.sleep(5.0)
    house.resume(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED


@pytest.mark.fault(54)
def test_rewound_run_goes_on_from_where_it_failed_with_its_verdicts(house: House) -> None:
    worker = house.work()
    house.containers.exits = {"stitch": [1, 1, 1]}
    run_id = house.drop()
    end = house.end_of(run_id)
    assert end.failure is not None
    assert (end.status, end.failure.code) == (RunStatus.FAILED, Code.CONTAINER_FAILED)
    assert RunIndex(house.memory.blobs).is_cleaned(run_id)
    house.rewind(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.output(run_id) == b"0\n1\n2\n3\n4\n"
    assert sorted(worker.scored) == list(range(5)), "nothing was scored twice"
    assert house.containers.carried == ["plan", "stitch", "stitch", "stitch", "stitch"]
    stages = [stage.status.value for stage in house.state(run_id).stages]
    assert stages[-4:] == ["provisioning", "scoring", "stitching", "succeeded"]
    assert stages.count("pending") == 2


@pytest.mark.fault(54)
def test_rewound_run_scores_what_was_missing(house: House) -> None:
    house.memory.pool.admit(-1)
    run_id = house.drop(request(policy=QUICK | {"stall_s": 0.2, "stall_limit": 2}))
    assert house.end_of(run_id).status is RunStatus.FAILED
    house.memory.pool.admit(1)
    house.work()
    house.rewind(run_id)
    assert house.end_of(run_id).coverage == 1.0


@pytest.mark.fault(37)
@pytest.mark.parametrize("status", ["planning", "scoring", "stitching"])
def test_run_lost_with_its_host_is_found_by_the_sweep(house: House, status: str) -> None:
    house.containers.shards = 30
    house.containers.takes_s = 0.2
    worker = house.work(takes_s=0.005)
    run_id = house.drop()
    house.wait_until_status(run_id, status)
    house.lose_host()
    assert SweepDeed.RUN_STARTED_AGAIN in house.sweep(after_s=QUIET_S)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert sorted(worker.scored) == list(range(30))


@pytest.mark.fault(2)
def test_trigger_of_which_nobody_was_told_is_run(house: House) -> None:
    house.work()
    run_id = house.drop()
    house.end_of(run_id)
    house.memory.blobs.put(layout.trigger("missed.json"), house.memory.blobs.get(layout.trigger("film.json")).data)
    assert house.sweep(after_s=QUIET_S) == (SweepDeed.TRIGGER_STARTED,)
    (missed,) = [entry.state.run_id for entry in RunIndex(house.memory.blobs).entries() if entry.state.run_id != run_id]
    assert house.end_of(missed).status is RunStatus.SUCCEEDED


@pytest.mark.fault(51)
def test_run_without_end_is_ended_by_its_deadline_though_its_host_is_gone(house: House) -> None:
    run_id = house.drop(request(policy=QUICK | {"deadline_s": 100.0}))
    house.wait_until_status(run_id, "provisioning", "scoring")
    house.lose_host()
    assert SweepDeed.RUN_PAST_DEADLINE in house.sweep(after_s=120.0)
    end = house.end_of(run_id)
    assert end.failure is not None
    assert (end.status, end.failure.code) == (RunStatus.FAILED, Code.RUN_DEADLINE)
    assert house.left_behind(run_id) == []


def leave_everything_behind(house: House) -> str:
    """A run that ended in the middle of everything, with nobody to clean up after it."""
    house.containers.shards = 50
    house.memory.pool.admit(1)
    run_id = house.drop(request(policy=QUICK | {"max_workers": 3}))
    house.wait_until_status(run_id, "provisioning", "scoring")
    while len(house.memory.queue.bodies(QueueName.SHARDS_NORMAL)) < 50:
        time.sleep(0.005)
    house.memory.blobs.put(layout.output(run_id, "half.txt"), b"half")
    spec = ContainerSpec(
        name=f"stitch-1-{run_id}", image="cpu", command=("a", "b", "c", "x", "e", run_id), environment={}
    )
    house.lose_host()
    house.memory.containers._carry = None
    house.memory.containers.start(spec)
    return run_id


@pytest.mark.fault(52)
def test_run_end_alone_leaves_nothing_that_costs(house: House) -> None:
    """Workers never leave by themselves here, and nobody sweeps."""
    run_id = leave_everything_behind(house)
    house.cancel(run_id)
    assert house.host.do(lambda runs: runs.start(run_id))
    assert house.end_of(run_id).status is RunStatus.CANCELLED
    assert house.left_behind(run_id) == []
    assert house.memory.pool.counts().running == 0
    assert house.blobs(ContainerName.OUTPUTS) == ()


@pytest.mark.fault(52)
def test_sweep_alone_leaves_nothing_that_costs(house: House) -> None:
    """The run's end is written down, but its clean-up never comes; workers never leave by themselves."""
    run_id = leave_everything_behind(house)
    state = house.state(run_id).model_copy(update={"status": RunStatus.CANCELLED})
    house.memory.blobs.put(layout.state(run_id), state.model_dump_json().encode())
    RunIndex(house.memory.blobs).put(state)
    house.sweep(after_s=QUIET_S)
    house.sweep(after_s=QUIET_S)
    assert house.left_behind(run_id) == []
    assert house.memory.pool.counts().running == 0
    assert house.blobs(ContainerName.OUTPUTS) == ()


@pytest.mark.fault(45)
def test_run_whose_outputs_container_went_away_is_taken_up_again_once_it_is_back(house: House) -> None:
    """It fails with the reason; nothing that was scored is scored again."""
    gone = [True]

    def refuse(operation: Operation) -> None:
        if gone[0] and operation.target.startswith("outputs/") and operation.kind == "blob.put":
            raise ContainerGoneError("the container outputs does not exist")

    worker = house.work()
    house.memory.blobs.operations.interrupt = refuse
    run_id = house.drop(request(policy=QUICK | {"activity_attempts": 3}))
    began = time.monotonic()
    end = house.end_of(run_id)
    assert end.status is RunStatus.FAILED
    assert time.monotonic() - began < 60
    assert settled(house, run_id) == 5
    gone[0] = False
    house.rewind(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert sorted(worker.scored) == list(range(5))


@pytest.mark.fault(45)
def test_run_that_was_stitched_and_cannot_be_published_says_so(house: House) -> None:
    gone = [True]

    def refuse(operation: Operation) -> None:
        if gone[0] and operation.target.endswith("/manifest.json"):
            raise ContainerGoneError("the container outputs does not exist")

    house.work()
    house.memory.blobs.operations.interrupt = refuse
    run_id = house.drop(request(policy=QUICK | {"activity_attempts": 2}))
    end = house.end_of(run_id)
    assert end.failure is not None
    assert (end.status, end.failure.code) == (RunStatus.FAILED, Code.STORAGE_GONE)
    assert house.state(run_id).failure == end.failure
    gone[0] = False
    house.sweep(after_s=QUIET_S)
    house.rewind(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
