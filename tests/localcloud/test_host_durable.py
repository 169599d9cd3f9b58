"""Orchestrators, activities and durable clients of the sample app under the local host."""

import json
import time
import uuid

import pytest
from durabletask.client import OrchestrationStatus
from hosting import running_host
from test_host_queues import encoded

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("host")]


@pytest.fixture
def instance_id():
    return f"i-{uuid.uuid4().hex[:12]}"


def test_activities_run_one_after_the_other(host, instance_id):
    host.start("chain", instance_id, {"times": 5})
    state = host.wait(instance_id)
    assert (state.runtime_status, state.serialized_output) == (OrchestrationStatus.COMPLETED, "5")


def test_nothing_waits_between_an_activity_and_its_turn(host, instance_id):
    """Both take about 4 ms on a machine with nothing else to do. Whatever looked for work now and then would take as
    long as its pause.
    """
    costs = []
    for number in range(5):
        begun = time.monotonic()
        host.start("chain", f"{instance_id}-{number}", {"times": 30})
        host.wait(f"{instance_id}-{number}")
        costs.append((time.monotonic() - begun) / 30)
    assert min(costs) < 0.010


def test_activities_run_all_at_once(host, instance_id):
    host.start("fan", instance_id, {"times": 200})
    assert host.wait(instance_id).serialized_output == str(sum(range(200)))


def test_slow_activities_overlap(host, instance_id):
    begun = time.monotonic()
    for number in range(8):
        host.start("chain", f"{instance_id}-{number}", {"times": 1, "sleep": 0.8})
    for number in range(8):
        host.wait(f"{instance_id}-{number}")
    assert time.monotonic() - begun < 8 * 0.8 / 2


def test_children_run_and_give_their_results(host, instance_id):
    host.start("parent", instance_id, {"times": 3})
    assert host.wait(instance_id).serialized_output == "6"


def test_an_event_of_a_client_reaches_its_orchestration_in_every_execution(host, instance_id, wait_until):
    host.start("listener", instance_id, {"rounds": 3})
    for number in range(3):
        host.durable.raise_orchestration_event(instance_id, "nudge", data=number)
    assert json.loads(host.wait(instance_id).serialized_output) == {"nudged": 2}


def test_a_queue_message_nudges_an_orchestration_through_the_durable_client(host, work, instance_id):
    host.start("listener", instance_id, {"rounds": 1})
    work.send_message(encoded(f"nudge {instance_id}"))
    assert json.loads(host.wait(instance_id).serialized_output) == {"nudged": "from a queue"}


def test_a_timer_fires(host, instance_id):
    begun = time.monotonic()
    host.start("listener", instance_id, {"rounds": 1, "timer_s": 0.3})
    assert json.loads(host.wait(instance_id).serialized_output) == {"timer": 1}
    assert 0.25 < time.monotonic() - begun < 10


def test_a_failed_activity_is_caught_with_its_type_and_message(host, instance_id):
    host.start("fragile", instance_id, {"who": instance_id})
    caught = json.loads(host.wait(instance_id).serialized_output)
    assert caught["type"] == "ValueError"
    assert "it broke:\nfor good" in caught["message"]


def test_a_retry_policy_is_observed(host, instance_id):
    host.start("fragile", instance_id, {"who": instance_id, "retry": True})
    assert json.loads(host.wait(instance_id).serialized_output)["type"] == "ValueError"
    assert len(host.notes.all("break", who=instance_id)) == 3


def test_an_activity_that_does_not_exist_fails_its_orchestration(host, instance_id):
    host.start("lost", instance_id, {})
    state = host.wait(instance_id)
    assert state.runtime_status == OrchestrationStatus.FAILED
    assert "the app has no function named missing" in state.failure_details.message


def test_an_orchestrator_that_does_not_exist_fails(host, instance_id):
    host.start("nobody", instance_id, {})
    state = host.wait(instance_id)
    assert state.runtime_status == OrchestrationStatus.FAILED
    assert "the app has no function named nobody" in state.failure_details.message


def test_an_id_is_taken_once(host, instance_id):
    host.start("chain", instance_id, {"times": 1})
    again = host.http.post(f"{host.url}/api/chain/{instance_id}", json={"times": 1})
    assert (again.status_code, again.text) == (409, "AioRpcError")


def test_payloads_larger_than_the_usual_message_limit_pass(host, instance_id):
    large = {"times": 1, "ballast": "x" * (6 << 20)}
    host.start("chain", instance_id, large)
    state = host.wait(instance_id)
    assert state.serialized_output == "1"
    assert len(host.durable.get_orchestration_state(instance_id).serialized_input) > 6 << 20


def test_a_killed_host_goes_on_with_every_orchestration(azurite, tmp_path, wait_until):
    settings = {"SampleQueue": "none", "SampleContainer": "none"}
    with running_host(tmp_path, azurite, events=False, **settings) as first:
        for number in range(5):
            first.start("gated", f"gated-{number}", {"gate": "open"})
        first.start("chain", "done", {"times": 2})
        first.wait("done")
        wait_until(lambda: len(first.notes.all("look")) > 20)
        first.kill()
    (tmp_path / "open").touch()
    with running_host(tmp_path, azurite, events=False, **settings) as second:
        for number in range(5):
            assert second.wait(f"gated-{number}").serialized_output == '"open"'
        assert second.wait("done").serialized_output == "2", "what had ended is still known"
        assert second.http.post(f"{second.url}/api/chain/done", json={"times": 1}).status_code == 409
        wait_until(lambda: any("5 orchestrations were interrupted and go on" in line for line in second.log))


def test_nothing_is_started_again_after_an_orderly_end(azurite, tmp_path):
    settings = {"SampleQueue": "none", "SampleContainer": "none"}
    with running_host(tmp_path, azurite, events=False, **settings) as first:
        first.start("chain", "ended", {"times": 2})
        first.wait("ended")
    assert first.process.returncode == 0
    with running_host(tmp_path, azurite, events=False, **settings) as second:
        assert second.wait("ended").serialized_output == "2"
    assert not any("interrupted" in line for line in second.log)


def test_a_stopped_host_lets_running_activities_end(azurite, tmp_path, wait_until):
    settings = {"SampleQueue": "none", "SampleContainer": "none"}
    with running_host(tmp_path, azurite, events=False, **settings) as host:
        host.start("chain", "slow", {"times": 1, "sleep": 1.0, "note": True})
        wait_until(lambda: host.notes.all("adding"))
    assert host.process.returncode == 0
    assert host.notes.all("added")
