"""The durable side of a run, asked by our own client over gRPC, on the hub of the local cloud."""

import asyncio

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask.client import AsyncTaskHubGrpcClient
from google.protobuf import wrappers_pb2

from dropscore.cloud.durable import DurableRuns
from localcloud.durable.backend import DurableBackend
from localcloud.durable.journal import Journal

RUN = "film-0123456789abcdef"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "durable.jsonl"


@pytest.fixture
def hub(path):
    hub = DurableBackend(Journal(path))
    hub.address = hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def ask(hub):
    """Asks the hub something through a client of its own, as each invocation of the app does."""

    def asked(question):
        async def answer():
            async with AsyncTaskHubGrpcClient(host_address=hub.address) as client:
                return await question(DurableRuns(client))

        return asyncio.run(answer())

    return asked


def answer(hub, *actions):
    """Take the next turn, and answer it with these actions."""
    item = hub.next_orchestration()
    assert item is not None
    hub.complete_orchestration(
        pb.OrchestratorResponse(
            instanceId=item.orchestratorRequest.instanceId, completionToken=item.completionToken, actions=actions
        )
    )
    return [event.WhichOneof("eventType") for event in item.orchestratorRequest.newEvents]


def ending(status=pb.ORCHESTRATION_STATUS_COMPLETED):
    done = pb.CompleteOrchestrationAction(orchestrationStatus=status, result=wrappers_pb2.StringValue(value='"x"'))
    return pb.OrchestratorAction(id=-1, completeOrchestration=done)


def stage(name="plan"):
    made = pb.CreateSubOrchestrationAction(name="run_container", instanceId=f"{RUN}:{name}")
    return pb.OrchestratorAction(id=1, createSubOrchestration=made)


def test_a_run_under_way_is_not_started_again(hub, ask):
    assert ask(lambda runs: runs.start(RUN))
    assert not ask(lambda runs: runs.start(RUN))
    assert not ask(lambda runs: runs.start_again(RUN))


@pytest.mark.parametrize(
    "status",
    [pb.ORCHESTRATION_STATUS_COMPLETED, pb.ORCHESTRATION_STATUS_FAILED, pb.ORCHESTRATION_STATUS_TERMINATED],
)
def test_a_run_that_has_ended_gives_way_to_itself(hub, ask, status):
    ask(lambda runs: runs.start(RUN))
    answer(hub, ending(status))
    assert not ask(lambda runs: runs.start(RUN)), "an event about it starts nothing"
    assert ask(lambda runs: runs.start_again(RUN))
    assert "executionStarted" in answer(hub, ending())


def test_a_run_started_again_is_taken_up_after_a_restart(hub, ask, path):
    ask(lambda runs: runs.start(RUN))
    answer(hub, ending())
    ask(lambda runs: runs.start_again(RUN))
    after = DurableBackend(Journal(path))
    assert after.restore() == [RUN]
    after.stop()


def test_stages_that_outlived_their_run_are_ended_first(hub, ask):
    ask(lambda runs: runs.start(RUN))
    answer(hub, stage())
    answer(hub)  # the stage begins, and waits
    ask(lambda runs: runs.end(RUN))
    while hub.next_orchestration() is not None:
        pass
    hub._instances[RUN].status = pb.ORCHESTRATION_STATUS_TERMINATED
    hub._orchestration_in_flight.clear()
    assert ask(lambda runs: runs.start_again(RUN))
    kinds = [answer(hub, ending()) for _ in range(2)]
    assert any("executionTerminated" in kind for kind in kinds)


def test_a_pulse_changes_with_whatever_a_run_or_a_stage_of_it_does(hub, ask):
    assert ask(lambda runs: runs.pulse(RUN)) is None
    ask(lambda runs: runs.start(RUN))
    pulses = [ask(lambda runs: runs.pulse(RUN))]
    answer(hub, stage())
    pulses.append(ask(lambda runs: runs.pulse(RUN)))
    answer(hub)
    ask(lambda runs: runs.nudge(RUN))
    pulses.append(ask(lambda runs: runs.pulse(RUN)))
    assert len(set(pulses)) == 3
    assert ask(lambda runs: runs.pulse(RUN)) == pulses[-1], "and not when nothing happens"


def test_a_run_that_has_ended_has_no_pulse(hub, ask):
    ask(lambda runs: runs.start(RUN))
    answer(hub, ending())
    assert ask(lambda runs: runs.pulse(RUN)) is None


def test_ending_what_does_not_exist_or_has_ended_does_nothing(hub, ask):
    ask(lambda runs: runs.end(RUN))
    ask(lambda runs: runs.start(RUN))
    answer(hub, ending())
    ask(lambda runs: runs.end(RUN))
    assert hub.next_orchestration() is None
