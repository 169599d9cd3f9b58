"""Leases and their heartbeat, on a clock moved by hand."""

from collections.abc import Callable

import pytest

from dropscore.cloud.memory import ManualClock, MemoryQueue
from dropscore.cloud.operations import Operation
from dropscore.contracts.errors import AccessDeniedError, LeaseLostError, TransientCloudError
from dropscore.contracts.names import QueueName
from gpu_worker.leases import Heartbeat, Lease
from gpu_worker.will import Will

NORMAL = QueueName.SHARDS_NORMAL


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(clock: ManualClock) -> MemoryQueue:
    return MemoryQueue(clock)


@pytest.fixture
def lease_one(queue: MemoryQueue, clock: ManualClock) -> Callable[..., Lease]:
    def lease(lease_s: float = 30.0) -> Lease:
        queue.send(NORMAL, b"{}")
        (message,) = queue.receive(NORMAL, count=1, lease_s=lease_s)
        return Lease(message, queue=queue, clock=clock, leased_at=clock.monotonic(), lease_s=lease_s, will=Will())

    return lease


def test_a_lease_is_held_until_its_time_is_over(lease_one, clock):
    lease = lease_one(30.0)
    clock.advance(29.9)
    assert lease.held
    clock.advance(0.2)
    assert not lease.held


def test_the_heartbeat_extends_at_a_third_of_the_lease(lease_one, queue, clock):
    heartbeat, lease = Heartbeat(clock), lease_one(30.0)
    heartbeat.keep(lease)
    clock.advance(9.9)
    heartbeat.beat()
    assert queue.operations.counts().get("queue.update", 0) == 0
    clock.advance(0.2)
    heartbeat.beat()
    assert queue.operations.counts()["queue.update"] == 1
    clock.advance(25.0)
    assert lease.held


def test_a_lease_taken_by_another_is_given_up_and_not_asked_for_again(lease_one, queue, clock):
    heartbeat, lease = Heartbeat(clock), lease_one(3.0)
    heartbeat.keep(lease)
    clock.advance(4.0)
    queue.receive(NORMAL, count=1, lease_s=30.0)
    heartbeat.beat()
    assert not lease.held
    asked = queue.operations.counts()["queue.update"]
    clock.advance(4.0)
    heartbeat.beat()
    assert queue.operations.counts()["queue.update"] == asked


@pytest.mark.parametrize("error", [TransientCloudError("busy"), AccessDeniedError("no right to it")])
def test_a_heartbeat_that_storage_did_not_take_is_tried_again(lease_one, queue, clock, error):
    heartbeat, lease = Heartbeat(clock), lease_one(30.0)
    heartbeat.keep(lease)
    clock.advance(10.0)

    def busy(operation: Operation) -> None:
        raise error

    queue.operations.interrupt = busy
    heartbeat.beat()
    queue.operations.interrupt = None
    heartbeat.beat()
    clock.advance(25.0)
    assert lease.held


def test_confirm_asks_storage_only_when_the_lease_has_run_out(lease_one, queue, clock):
    lease = lease_one(30.0)
    lease.confirm()
    assert "queue.update" not in queue.operations.counts()
    clock.advance(31.0)
    lease.confirm()
    assert lease.held


def test_confirm_raises_when_somebody_else_has_the_message(lease_one, queue, clock):
    lease = lease_one(1.0)
    clock.advance(2.0)
    queue.receive(NORMAL, count=1, lease_s=30.0)
    with pytest.raises(LeaseLostError):
        lease.confirm()


def test_a_released_message_is_seen_by_others_at_once_and_not_twice(lease_one, queue):
    lease = lease_one(30.0)
    lease.release()
    lease.release()
    assert queue.operations.counts()["queue.update"] == 1
    assert not lease.held
    assert len(queue.receive(NORMAL, count=1, lease_s=1.0)) == 1


def test_a_message_released_with_a_delay_is_seen_after_it(lease_one, queue, clock):
    lease_one(30.0).release(delay_s=5.0)
    assert queue.receive(NORMAL, count=1, lease_s=1.0) == []
    clock.advance(5.1)
    assert len(queue.receive(NORMAL, count=1, lease_s=1.0)) == 1


def test_deleting_takes_the_message_away_once(lease_one, queue):
    lease = lease_one()
    assert lease.delete()
    assert not lease.delete()
    assert queue.depth(NORMAL) == 0


def test_a_delete_that_failed_can_be_repeated(lease_one, queue):
    lease = lease_one()

    def busy(operation: Operation) -> None:
        raise TransientCloudError("busy")

    queue.operations.interrupt = busy
    with pytest.raises(TransientCloudError):
        lease.delete()
    queue.operations.interrupt = None
    assert lease.delete()


def test_a_lease_that_is_shortened_is_extended_in_time(wait_until):
    from dropscore.cloud.clock import SystemClock

    clock = SystemClock()
    queue = MemoryQueue(clock)
    queue.send(NORMAL, b"{}")
    (message,) = queue.receive(NORMAL, count=1, lease_s=60.0)
    lease = Lease(message, queue=queue, clock=clock, leased_at=clock.monotonic(), lease_s=60.0, will=Will())
    heartbeat = Heartbeat(clock)
    heartbeat.start()
    heartbeat.keep(lease)
    lease.extend(0.3)
    wait_until(lambda: queue.operations.counts()["queue.update"] >= 4)
    assert lease.held
    heartbeat.stop()


def test_the_heartbeat_thread_keeps_leases_and_ends_when_told(wait_until):
    from dropscore.cloud.clock import SystemClock

    clock = SystemClock()
    queue = MemoryQueue(clock)
    queue.send(NORMAL, b"{}")
    (message,) = queue.receive(NORMAL, count=1, lease_s=0.3)
    lease = Lease(message, queue=queue, clock=clock, leased_at=clock.monotonic(), lease_s=0.3, will=Will())
    heartbeat = Heartbeat(clock)
    heartbeat.start()
    heartbeat.keep(lease)
    wait_until(lambda: queue.operations.counts().get("queue.update", 0) >= 3)
    assert lease.held
    heartbeat.stop()
    asked = queue.operations.counts()["queue.update"]
    wait_until(lambda: not lease.held)
    assert queue.operations.counts()["queue.update"] == asked
