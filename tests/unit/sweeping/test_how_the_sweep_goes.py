"""One at a time, bounded, from where the last one stopped, and written down."""

from typing import Any

import pytest

from activities.sweeping.lease import LEASE_S, SweepLease
from dropscore.cloud.sweep_log import last_sweep
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import QueueName
from dropscore.contracts.run import RunStatus

RUN = "film-0123456789abcdef"


def lease(yard: Any, host: str) -> SweepLease:
    return SweepLease(yard.memory.blobs, yard.clock, host=host)


def test_two_hosts_never_sweep_at_once(yard: Any) -> None:
    held = lease(yard, "one")
    assert held.take() is not None
    yard.clock.advance(LEASE_S - 1)
    assert yard.sweep(host="two") is None
    held.give_back()
    assert yard.sweep(host="two") is not None


def test_of_two_that_take_a_free_lease_at_once_one_has_it(yard: Any) -> None:
    yard.sweep()
    first, second = lease(yard, "one"), lease(yard, "two")

    def other_comes_first(operation: Any) -> None:
        if operation.kind == "blob.put" and operation.target.endswith("state.json"):
            yard.memory.blobs.operations.interrupt = None
            assert second.take() is not None

    yard.memory.blobs.operations.interrupt = other_comes_first
    assert first.take() is None


def test_lease_of_a_dead_host_runs_out_by_storages_time(yard: Any) -> None:
    dead = lease(yard, "one")
    assert dead.take() is not None
    yard.clock.advance(LEASE_S + 2)
    assert yard.sweep(host="two") is not None
    assert not dead.keep(), "and whoever wakes up late has lost it"


def test_sweep_says_what_it_has_looked_at_and_done(yard: Any) -> None:
    yard.put_run(RUN)
    yard.drop()
    yard.memory.orchestrations.started.clear()
    yard.sweep(after_s=30)
    report = last_sweep(yard.memory.blobs)
    assert report is not None
    assert (report.host, report.complete, report.acts_total) == ("here", True, 2)
    assert (report.looked_at["triggers"], report.looked_at["runs"]) == (1, 1)
    assert RUN in {act.target for act in report.acts}


def test_what_earlier_sweeps_did_is_still_told(yard: Any) -> None:
    yard.drop()
    yard.sweep(after_s=30)
    for _ in range(3):
        yard.sweep(after_s=1)
    report = last_sweep(yard.memory.blobs)
    assert report is not None
    assert report.acts == ()
    assert [act.target for act in report.earlier] == ["film.json"]


def test_one_trouble_does_not_keep_the_rest_from_being_mended(yard: Any) -> None:
    for name in ("a-0123456789abcdef", "b-0123456789abcdef"):
        yard.put_run(name)
    yard.memory.orchestrations.started.clear()

    def fail(operation: Any) -> None:
        if operation.target.endswith("a-0123456789abcdef/state.json"):
            raise TransientCloudError("no answer")

    yard.memory.blobs.operations.interrupt = fail
    report = yard.sweep(after_s=30)
    assert report is not None
    assert [act.target for act in report.acts] == ["b-0123456789abcdef"]
    assert "a-0123456789abcdef" in report.problems[0]


def test_sweep_stops_in_time_and_the_next_goes_on_there(yard: Any) -> None:
    for number in range(300):
        yard.drop(f"{number:03d}.json")
    yard.clock.advance(60)
    yard.memory.blobs.operations.interrupt = lambda _: yard.clock.advance(0.1)
    first = yard.sweep()
    assert first is not None
    assert not first.complete
    assert first.duration_s < 25
    sweeps = 1
    while not yard.sweep().complete:
        sweeps += 1
        assert sweeps < 30
    assert len(yard.memory.orchestrations.started) == 300


def test_sweep_of_an_empty_cloud_asks_little(yard: Any) -> None:
    yard.sweep()
    yard.memory.blobs.operations.clear()
    yard.memory.queue.operations.clear()
    yard.sweep(after_s=30)
    asked = yard.memory.blobs.operations.total() + yard.memory.queue.operations.total()
    assert asked <= 12


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
def test_ended_clean_runs_cost_no_request_each(yard: Any, status: RunStatus) -> None:
    for number in range(200):
        yard.put_run(f"run-{number:016x}", status, cleaned=True)
    yard.memory.blobs.operations.clear()
    yard.sweep(after_s=600)
    assert yard.memory.blobs.operations.total() <= 12
    assert yard.memory.queue.operations.counts().get("queue.get", 0) == 0
    assert yard.memory.queue.bodies(QueueName.RUN_EVENTS) == []


def test_another_versions_state_is_taken_over(yard: Any) -> None:
    yard.memory.blobs.put(layout.sweep_state(), b'{"schema_version": 2}')
    yard.clock.advance(LEASE_S + 2)
    assert yard.sweep() is not None
