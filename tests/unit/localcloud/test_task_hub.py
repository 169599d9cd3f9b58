"""The task hub: turns, timers, results, children, and what it takes up again after a restart.

The tests stand where the host is: they take work items out and give decisions back.
"""

from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from google.protobuf import timestamp_pb2, wrappers_pb2

from localcloud.durable import backend as backend_module
from localcloud.durable.backend import DurableBackend
from localcloud.durable.journal import Journal
from localcloud.durable.taskhub import IN_PROCESS, RefusedError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "durable.jsonl"


@pytest.fixture
def hub(path):
    hub = DurableBackend(Journal(path))
    yield hub
    hub.stop()


def text(value):
    return wrappers_pb2.StringValue(value=value)


def start(hub, instance_id, name="orchestrator", payload="1"):
    request = pb.CreateInstanceRequest(instanceId=instance_id, name=name, input=text(payload))
    hub.StartInstance(request, IN_PROCESS)


def events(item):
    return [event.WhichOneof("eventType") for event in item.orchestratorRequest.newEvents]


def answer(hub, item, *actions):
    response = pb.OrchestratorResponse(
        instanceId=item.orchestratorRequest.instanceId, completionToken=item.completionToken, actions=actions
    )
    hub.complete_orchestration(response)


def turn(hub, *actions):
    """Take the next turn, answer it, and return the kinds of its new events."""
    item = hub.next_orchestration()
    assert item is not None, "there is a turn to take"
    answer(hub, item, *actions)
    return events(item)


def end(output='"done"', status=pb.ORCHESTRATION_STATUS_COMPLETED):
    action = pb.CompleteOrchestrationAction(orchestrationStatus=status, result=text(output))
    return pb.OrchestratorAction(id=-1, completeOrchestration=action)


def again(payload="2"):
    return end(payload, pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)


def timer(number, delay_s):
    fire_at = timestamp_pb2.Timestamp()
    fire_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=delay_s))
    return pb.OrchestratorAction(id=number, createTimer=pb.CreateTimerAction(fireAt=fire_at))


def activity(number, name="work"):
    return pb.OrchestratorAction(id=number, scheduleTask=pb.ScheduleTaskAction(name=name, input=text("1")))


def child(number, instance_id):
    action = pb.CreateSubOrchestrationAction(name="child", instanceId=instance_id, input=text("1"))
    return pb.OrchestratorAction(id=number, createSubOrchestration=action)


def finish(hub, item, result='"result"'):
    request = item.activityRequest
    hub.complete_activity(
        pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId,
            taskId=request.taskId,
            result=text(result),
            completionToken=item.completionToken,
        )
    )


def nudge(hub, instance_id):
    hub.RaiseEvent(pb.RaiseEventRequest(instanceId=instance_id, name="nudge"), IN_PROCESS)


def state(hub, instance_id):
    request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
    return hub.GetInstance(request, IN_PROCESS)


def status(hub, instance_id):
    found = state(hub, instance_id)
    return pb.OrchestrationStatus.Name(found.orchestrationState.orchestrationStatus).rpartition("_")[2]


def test_an_instance_runs_from_start_to_end(hub):
    start(hub, "i")
    assert turn(hub, activity(1)) == ["orchestratorStarted", "executionStarted"]
    finish(hub, hub.next_activity())
    assert turn(hub, end()) == ["orchestratorStarted", "taskCompleted"]
    assert (status(hub, "i"), state(hub, "i").orchestrationState.output.value) == ("COMPLETED", '"done"')
    assert hub.next_orchestration() is None


def test_an_id_that_is_taken_is_refused(hub):
    start(hub, "i")
    with pytest.raises(RefusedError, match="ALREADY_EXISTS"):
        start(hub, "i")


def test_the_host_is_told_when_there_is_work(hub):
    told = []
    hub.tell(lambda: told.append(1))
    start(hub, "i")
    assert told == [1]
    turn(hub, activity(1))
    assert told == [1, 1]
    finish(hub, hub.next_activity())
    assert told == [1, 1, 1]


def test_an_instance_being_executed_does_not_hold_up_others(hub):
    start(hub, "slow")
    item = hub.next_orchestration()
    nudge(hub, "slow")
    start(hub, "quick")
    assert hub.next_orchestration().orchestratorRequest.instanceId == "quick"
    answer(hub, item)
    assert turn(hub) == ["orchestratorStarted", "eventRaised"]


def test_an_instance_resumed_while_it_is_being_suspended_goes_on(hub):
    start(hub, "i")
    turn(hub)
    hub.SuspendInstance(pb.SuspendRequest(instanceId="i"), IN_PROCESS)
    item = hub.next_orchestration()
    hub.ResumeInstance(pb.ResumeRequest(instanceId="i"), IN_PROCESS)
    answer(hub, item)
    assert turn(hub) == ["orchestratorStarted", "executionResumed"]


def test_a_timer_fires_at_its_time(hub, wait_until):
    start(hub, "i")
    turn(hub, timer(1, 0.03))
    assert hub.next_orchestration() is None
    items = []
    wait_until(lambda: items.append(hub.next_orchestration()) or items[-1])
    assert events(items[-1]) == ["orchestratorStarted", "timerFired"]


def test_a_timer_dies_with_the_execution_that_set_it(hub, wait_until):
    start(hub, "i")
    turn(hub, timer(1, 0.03), again())
    assert turn(hub, timer(1, 0.1)) == ["orchestratorStarted", "executionStarted"]
    items = []
    wait_until(lambda: items.append(hub.next_orchestration()) or items[-1])
    fired = [event.timerFired for event in items[-1].orchestratorRequest.newEvents if event.HasField("timerFired")]
    created = [
        event.timerCreated for event in items[-1].orchestratorRequest.pastEvents if event.HasField("timerCreated")
    ]
    assert [event.fireAt for event in fired] == [event.fireAt for event in created], "the second, not the first"


def test_a_timer_of_an_ended_instance_does_nothing(hub):
    start(hub, "i")
    turn(hub, timer(1, 0.0), end())
    assert hub.next_orchestration() is None


def test_the_result_of_an_activity_dies_with_the_execution_that_wanted_it(hub):
    start(hub, "i")
    turn(hub, activity(1, "old"))
    old = hub.next_activity()
    nudge(hub, "i")
    turn(hub, again())
    turn(hub, activity(1, "new"))
    finish(hub, old, '"old"')
    assert hub.next_orchestration() is None
    finish(hub, hub.next_activity(), '"new"')
    item = hub.next_orchestration()
    (completed,) = [e.taskCompleted for e in item.orchestratorRequest.newEvents if e.HasField("taskCompleted")]
    assert completed.result.value == '"new"'


def test_a_parent_hears_of_the_end_of_its_child(hub):
    start(hub, "parent")
    turn(hub, child(1, "parent:1"))
    assert turn(hub, end('"from the child"')) == ["orchestratorStarted", "executionStarted"]
    item = hub.next_orchestration()
    assert events(item) == ["orchestratorStarted", "subOrchestrationInstanceCompleted"]
    completed = item.orchestratorRequest.newEvents[-1].subOrchestrationInstanceCompleted
    assert (completed.taskScheduledId, completed.result.value) == (1, '"from the child"')


def test_a_parent_hears_of_the_failure_of_its_child(hub):
    start(hub, "parent")
    turn(hub, child(1, "parent:1"))
    failed = end(status=pb.ORCHESTRATION_STATUS_FAILED)
    failed.completeOrchestration.failureDetails.errorMessage = "it broke"
    turn(hub, failed)
    item = hub.next_orchestration()
    failure = item.orchestratorRequest.newEvents[-1].subOrchestrationInstanceFailed
    assert failure.failureDetails.errorMessage == "it broke"


def test_a_child_of_an_earlier_execution_is_not_heard(hub):
    start(hub, "parent")
    turn(hub, child(1, "parent:1"))
    nudge(hub, "parent")
    child_turn = hub.next_orchestration()
    turn(hub, again())
    turn(hub)
    answer(hub, child_turn, end())
    assert hub.next_orchestration() is None


def test_events_that_arrive_during_a_continue_as_new_are_kept(hub):
    start(hub, "i")
    item = hub.next_orchestration()
    nudge(hub, "i")
    answer(hub, item, again())
    assert turn(hub) == ["orchestratorStarted", "executionStarted", "eventRaised"]


def test_terminating_ends_children_too(hub):
    start(hub, "parent")
    turn(hub, child(1, "parent:1"))
    turn(hub)
    hub.TerminateInstance(pb.TerminateRequest(instanceId="parent", recursive=True), IN_PROCESS)
    ended = end(status=pb.ORCHESTRATION_STATUS_TERMINATED)
    for _ in ("child", "parent"):
        assert "executionTerminated" in turn(hub, ended)
    assert (status(hub, "parent"), status(hub, "parent:1")) == ("TERMINATED", "TERMINATED")


def test_the_end_of_an_instance_tells_its_longest_history(hub, caplog):
    start(hub, "parent")
    turn(hub, child(1, "parent:1"))
    with caplog.at_level("INFO"):
        for _ in range(6):
            nudge(hub, "parent:1")
        turn(hub, end())
        turn(hub, end())
    assert "parent ended: COMPLETED. Its longest history had 8 events." in caplog.messages


def test_histories_of_old_instances_are_dropped_and_their_ends_kept(hub, monkeypatch):
    monkeypatch.setattr(backend_module, "KEPT_HISTORIES", 1)
    for number in range(2):
        start(hub, f"i{number}")
        turn(hub, child(1, f"i{number}:1"))
        turn(hub, end())
        turn(hub, end(f"{number}"))
    assert not state(hub, "i0:1").exists
    assert state(hub, "i0").orchestrationState.output.value == "0"
    assert not list(hub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId="i0"), IN_PROCESS))
    assert list(hub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId="i1"), IN_PROCESS))


class TestAfterAKill:
    """A second hub on the journal of one that was not stopped."""

    @pytest.fixture
    def next_hub(self, hub, path):
        hubs = []

        def take_up():
            hubs.append(DurableBackend(Journal(path)))
            return hubs[-1], hubs[-1].restore()

        yield take_up
        for each in hubs:
            each.stop()

    def test_an_instance_without_an_end_starts_again_with_its_first_input(self, hub, next_hub):
        start(hub, "i", name="score_run", payload='{"first": 1}')
        turn(hub, activity(1))
        turn_of_new, again_ids = next_hub()
        assert again_ids == ["i"]
        item = turn_of_new.next_orchestration()
        started = item.orchestratorRequest.newEvents[-1].executionStarted
        assert (started.name, started.input.value) == ("score_run", '{"first": 1}')
        assert item.orchestratorRequest.instanceId == "i"

    def test_children_are_started_by_their_parents_alone(self, hub, next_hub):
        start(hub, "parent")
        turn(hub, child(1, "parent:1"))
        second, again_ids = next_hub()
        assert again_ids == ["parent"]
        assert not state(second, "parent:1").exists

    def test_an_ended_instance_is_known_and_its_id_taken(self, hub, next_hub):
        start(hub, "i")
        turn(hub, end('"kept"'))
        second, again_ids = next_hub()
        assert again_ids == []
        assert (status(second, "i"), state(second, "i").orchestrationState.output.value) == ("COMPLETED", '"kept"')
        with pytest.raises(RefusedError, match="ALREADY_EXISTS"):
            start(second, "i")

    def test_why_an_instance_failed_is_known(self, hub, next_hub):
        start(hub, "i")
        failed = end(status=pb.ORCHESTRATION_STATUS_FAILED)
        failed.completeOrchestration.failureDetails.errorType = "ValueError"
        failed.completeOrchestration.failureDetails.errorMessage = "it broke"
        turn(hub, failed)
        second, _ = next_hub()
        details = state(second, "i").orchestrationState.failureDetails
        assert (details.errorType, details.errorMessage) == ("ValueError", "it broke")

    def test_a_terminated_instance_does_not_start_again(self, hub, next_hub):
        start(hub, "i")
        turn(hub)
        hub.TerminateInstance(pb.TerminateRequest(instanceId="i"), IN_PROCESS)
        second, again_ids = next_hub()
        assert again_ids == []
        assert status(second, "i") == "TERMINATED"

    def test_a_suspended_instance_starts_again_suspended(self, hub, next_hub):
        start(hub, "i")
        turn(hub)
        hub.SuspendInstance(pb.SuspendRequest(instanceId="i"), IN_PROCESS)
        turn(hub)
        second, _ = next_hub()
        assert turn(second)[-1] == "executionSuspended"
        assert status(second, "i") == "SUSPENDED"

    def test_a_purged_instance_is_gone(self, hub, next_hub):
        start(hub, "i")
        turn(hub, end())
        hub.PurgeInstances(pb.PurgeInstancesRequest(instanceId="i"), IN_PROCESS)
        second, _ = next_hub()
        assert not state(second, "i").exists
        start(second, "i")
        assert status(second, "i") == "PENDING"

    def test_a_restarted_instance_starts_again(self, hub, next_hub):
        start(hub, "i")
        turn(hub, end())
        hub.RestartInstance(pb.RestartInstanceRequest(instanceId="i"), IN_PROCESS)
        _, again_ids = next_hub()
        assert again_ids == ["i"]
