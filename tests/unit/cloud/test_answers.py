"""What answers of Batch and Container Instances are taken to mean."""

import pytest

from dropscore.cloud.answers import container_state, pool_doubt, worker_counts
from dropscore.contracts.orchestration import ContainerPhase

POOL = {
    "id": "gpus",
    "vmSize": "Standard_NC4as_T4_v3",
    "state": "active",
    "allocationState": "steady",
    "enableAutoScale": True,
    "targetDedicatedNodes": 0,
    "targetLowPriorityNodes": 0,
}
QUOTA = {
    "code": "AccountCoreQuotaReached",
    "message": "The specified account has reached core quota.",
    "values": [{"name": "Allowed", "value": "0"}],
}


def test_workers_are_counted_by_state_and_preparing_ones_run():
    tasks = [{"state": state} for state in ("active", "running", "preparing", "active", "active")]

    counts = worker_counts(tasks)

    assert (counts.running, counts.waiting) == (2, 3)


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(POOL, id="autoscale will see to it"),
        pytest.param({**POOL, "allocationState": "resizing"}, id="nodes are coming"),
        pytest.param({**POOL, "enableAutoScale": False, "targetLowPriorityNodes": 2}, id="nodes are asked for"),
        pytest.param({**POOL, "autoScaleRun": {"timestamp": "t", "results": "$x=1"}}, id="the formula is fine"),
    ],
)
def test_there_is_no_doubt_while_nothing_speaks_against_nodes(pool):
    assert pool_doubt(pool) == ""


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"state": "deleting"}, ["'gpus' is being deleted"], id="deleting"),
        pytest.param(
            {"resizeErrors": [QUOTA]},
            ["Standard_NC4as_T4_v3", "AccountCoreQuotaReached", "Allowed 0", "This is a quota"],
            id="quota",
        ),
        pytest.param(
            {"resizeErrors": [{"code": "AllocationTimedOut", "message": "Desired number could not be allocated."}]},
            ["AllocationTimedOut: Desired number could not be allocated."],
            id="no capacity",
        ),
        pytest.param(
            {"autoScaleRun": {"timestamp": "t", "error": {"code": "InsufficientSampleData", "message": "too few"}}},
            ["The autoscale formula of the pool 'gpus' fails: InsufficientSampleData: too few."],
            id="formula",
        ),
        pytest.param({"enableAutoScale": False}, ["set to 0 nodes and its autoscale is off"], id="nobody asks"),
    ],
)
def test_a_doubt_names_the_pool_and_the_reason(change, says):
    doubt = pool_doubt({**POOL, **change})

    for words in says:
        assert words in doubt


def test_no_quota_is_blamed_for_another_error():
    doubt = pool_doubt({**POOL, "resizeErrors": [{"code": "AllocationTimedOut", "message": "No capacity."}]})

    assert "This is a quota" not in doubt


@pytest.mark.fault(34)
def test_nodes_that_all_failed_to_start_are_told_with_their_reason():
    failed = {
        "state": "starttaskfailed",
        "startTaskInfo": {"failureInfo": {"code": "FailureExitCode", "message": "The task exited with 1"}},
    }

    assert "2 nodes and none that works (starttaskfailed). FailureExitCode" in pool_doubt(POOL, [failed, failed])
    assert pool_doubt(POOL, [failed, {"state": "idle"}]) == ""


def group(provisioning="Succeeded", view=None, current=None, events=(), group_events=()):
    container = {"instanceView": {"currentState": current, "events": list(events)}} if current else {}
    return {
        "properties": {
            "provisioningState": provisioning,
            "instanceView": {"state": view, "events": list(group_events)} if view else {},
            "containers": [{"name": "main", "properties": container}],
        }
    }


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("answer", "phase", "exit_code"),
    [
        pytest.param(group("Pending"), ContainerPhase.WAITING, None, id="just asked for"),
        pytest.param(group("Creating", "Pending"), ContainerPhase.WAITING, None, id="pulling"),
        pytest.param(group(view="Running", current={"state": "Running"}), ContainerPhase.RUNNING, None, id="runs"),
        pytest.param(
            group(view="Pending", current={"state": "Running"}), ContainerPhase.RUNNING, None, id="group lags"
        ),
        pytest.param(group(view="Running", current={"state": "Waiting"}), ContainerPhase.WAITING, None, id="waits"),
        pytest.param(
            group(view="Running", current={"state": "Terminated", "exitCode": 0}),
            ContainerPhase.SUCCEEDED,
            0,
            id="ended well",
        ),
        pytest.param(
            group(view="Failed", current={"state": "Terminated", "exitCode": 137}),
            ContainerPhase.FAILED,
            137,
            id="out of memory",
        ),
        pytest.param(group("Failed"), ContainerPhase.FAILED, None, id="never came"),
        pytest.param(group("Canceled", "Pending"), ContainerPhase.FAILED, None, id="cancelled"),
        pytest.param(group(view="Stopped"), ContainerPhase.FAILED, None, id="stopped by hand"),
        pytest.param({"name": "x"}, ContainerPhase.WAITING, None, id="says nothing"),
    ],
)
def test_the_phase_of_a_group(answer, phase, exit_code):
    state = container_state("plan-1-r1", answer)

    assert (state.name, state.phase, state.exit_code) == ("plan-1-r1", phase, exit_code)


@pytest.mark.fault(29)
def test_the_detail_is_the_last_warning():
    events = [
        {"type": "Normal", "message": "pulling"},
        {"type": "Warning", "message": "Failed to pull image: unauthorized"},
    ]

    state = container_state("x", group("Creating", "Pending", {"state": "Waiting", "detailStatus": "x"}, events))

    assert state.detail == "Failed to pull image: unauthorized"


def test_without_a_warning_the_detail_is_the_states_own_word():
    state = container_state(
        "x", group(view="Failed", current={"state": "Terminated", "exitCode": 1, "detailStatus": "Error"})
    )

    assert state.detail == "Error"
