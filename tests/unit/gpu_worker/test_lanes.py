"""How many messages are taken, from which lane, and how often it is asked."""

from collections.abc import Callable

import pytest

from dropscore.cloud.bell import Bell, ring
from dropscore.cloud.memory import ManualClock, MemoryBlobs, MemoryQueue
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import QueueName
from gpu_worker.lanes import BELL_EVERY_S, BUSY_WAIT_S, FULL_WAIT_S, URGENT_LOOK_S, Lanes, Wanted
from gpu_worker.will import Will

URGENT, NORMAL, OFFPEAK = QueueName.SHARDS_URGENT, QueueName.SHARDS_NORMAL, QueueName.SHARDS_OFFPEAK


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(clock: ManualClock) -> MemoryQueue:
    return MemoryQueue(clock)


@pytest.fixture
def lanes(queue: MemoryQueue, clock: ManualClock) -> Lanes:
    return Lanes(queue, clock, lease_s=30.0, keep=lambda lease: None, will=Will())


def send(queue: MemoryQueue, lane: QueueName, count: int = 1) -> None:
    for number in range(count):
        queue.send(lane, f"{lane} {number}".encode())


def started(lanes: Lanes) -> str | None:
    lease = lanes.next()
    return None if lease is None else lease.message.body.decode().split()[0]


@pytest.mark.parametrize(
    ("room", "shard_s", "taken"),
    [
        pytest.param(1, None, 2, id="nothing measured yet: one to start and one ahead"),
        pytest.param(1, 30.0, 1, id="long shards: only what can start, others get their share"),
        pytest.param(2, 0.125, 6, id="half a second ahead of what can start"),
        pytest.param(1, 1.2, 4, id="longer ones: three ahead"),
        pytest.param(1, 2.5, 2, id="longer still: no more than four seconds ahead"),
        pytest.param(1, 0.010, 32, id="tiny shards: as many as a call gives"),
        pytest.param(0, 0.0625, 8, id="no room: the buffer alone"),
        pytest.param(0, 30.0, 0, id="no room and long shards: none"),
    ],
)
def test_as_many_are_leased_as_half_a_second_of_work(queue, lanes, room, shard_s, taken):
    send(queue, NORMAL, 100)
    lanes.fill(Wanted(room=room, shard_s=shard_s))
    assert len(lanes) == taken


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("lease_s", "hidden_s"),
    [
        pytest.param(30.0, 15.0, id="half a lease"),
        pytest.param(5.0, 3.0, id="three seconds at least"),
        pytest.param(2.0, 2.0, id="never more than a lease"),
    ],
)
def test_what_was_on_its_way_to_a_process_that_ended_is_seen_again_before_a_lease_is_over(
    queue, clock, lease_s, hidden_s
):
    send(queue, NORMAL)
    lost = Lanes(queue, clock, lease_s=lease_s, keep=lambda lease: None, will=Will())
    lost.fill(Wanted(room=1, shard_s=None))
    clock.advance(hidden_s - 0.1)
    assert queue.receive(NORMAL, count=1, lease_s=1.0) == []
    clock.advance(0.2)
    assert len(queue.receive(NORMAL, count=1, lease_s=1.0)) == 1


def test_what_is_held_is_extended_by_a_whole_lease(queue, lanes, clock):
    send(queue, NORMAL)
    lanes.fill(Wanted(room=1, shard_s=None))
    lease = lanes.next()
    assert lease.lease_s == 30.0
    assert lease.next_beat == pytest.approx(clock.monotonic() + lanes.first_s / 2)
    lease.extend()
    clock.advance(29.9)
    assert lease.held


@pytest.mark.fault(24)
def test_an_urgent_lane_that_does_not_answer_keeps_no_other_work_from_starting(queue, lanes, clock):
    send(queue, NORMAL, 3)
    lanes.fill(Wanted(room=3, shard_s=None))
    clock.advance(URGENT_LOOK_S)

    def interrupt(operation):
        if operation.target == URGENT:
            raise TransientCloudError("no answer")

    queue.operations.interrupt = interrupt
    asked = queue.operations.counts()["queue.get"]
    assert [started(lanes) for _ in range(3)] == [NORMAL] * 3
    assert queue.operations.counts()["queue.get"] == asked + 1, "it is asked again after a while"


def test_nothing_is_asked_while_the_buffer_is_half_full(queue, lanes):
    send(queue, NORMAL, 100)
    wanted = Wanted(room=1, shard_s=0.03125)
    lanes.fill(wanted)
    asked = queue.operations.total()
    for _ in range(5):
        lanes.next()
    assert not lanes.fill(wanted)
    assert queue.operations.total() == asked


def test_under_load_a_call_gives_many_messages(queue, lanes, clock):
    send(queue, NORMAL, 640)
    calls = 0
    while len(queue.bodies(NORMAL)) > 0:
        before = queue.operations.targets("queue.get").count(NORMAL)
        lanes.fill(Wanted(room=1, shard_s=0.01))
        calls += queue.operations.targets("queue.get").count(NORMAL) - before
        lease = lanes.next()
        assert lease is not None
        lease.delete()
        clock.advance(0.01)
    assert 640 / calls >= 16


def test_urgent_messages_go_first(queue, lanes):
    for lane in (OFFPEAK, NORMAL, URGENT):
        send(queue, lane)
    lanes.fill(Wanted(room=1, shard_s=30.0))
    assert started(lanes) == URGENT


def test_an_urgent_message_overtakes_those_already_leased(queue, lanes, clock):
    send(queue, NORMAL, 5)
    lanes.fill(Wanted(room=5, shard_s=1.0))
    assert started(lanes) == NORMAL
    send(queue, URGENT)
    clock.advance(URGENT_LOOK_S)
    assert started(lanes) == URGENT
    assert started(lanes) == NORMAL


def test_the_urgent_lane_is_not_asked_more_than_once_a_second_while_there_is_work(queue, lanes, clock):
    send(queue, NORMAL, 32)
    lanes.fill(Wanted(room=1, shard_s=0.01))
    for _ in range(30):
        lanes.next()
        clock.advance(0.05)
    assert queue.operations.targets("queue.get").count(URGENT) <= 3


@pytest.mark.parametrize("lane", [URGENT, NORMAL, OFFPEAK])
def test_a_lane_full_of_tiny_shards_never_makes_the_device_wait(queue, lanes, clock, lane):
    send(queue, lane, 200)
    for _ in range(200):
        lanes.fill(Wanted(room=1, shard_s=0.01, idle=False))
        lease = lanes.next()
        assert lease is not None
        lease.delete()
        clock.advance(0.01)


def test_an_idle_worker_asks_no_more_after_work_from_the_lowest_lane(queue, lanes, clock):
    send(queue, OFFPEAK)
    wanted = Wanted(room=1, shard_s=30.0)
    lanes.fill(wanted)
    lease = lanes.next()
    assert lease is not None
    lease.delete()
    for _ in range(60):
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    before, began = queue.operations.total(), clock.monotonic()
    while clock.monotonic() - began < 60.0:
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    assert (queue.operations.total() - before) / (clock.monotonic() - began) <= 2.6


def test_the_lowest_lane_waits_until_the_others_are_empty(queue, lanes):
    send(queue, OFFPEAK)
    send(queue, NORMAL)
    lanes.fill(Wanted(room=1, shard_s=30.0))
    assert started(lanes) == NORMAL
    lanes.fill(Wanted(room=1, shard_s=30.0))
    assert started(lanes) == OFFPEAK


def test_polling_begins_at_ten_milliseconds_and_settles_at_four_requests_a_second(queue, lanes, clock):
    wanted = Wanted(room=1, shard_s=None)
    lanes.fill(wanted)
    assert lanes.wait_s == pytest.approx(0.010)
    for _ in range(60):
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    before, began = queue.operations.total(), clock.monotonic()
    while clock.monotonic() - began < 60.0:
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    assert (queue.operations.total() - before) / (clock.monotonic() - began) <= 2.6


def idle_requests_a_second(lanes: Lanes, requests: Callable[[], int], clock: ManualClock) -> float:
    """Over a minute, after a minute in which it calmed down."""
    wanted = Wanted(room=1, shard_s=None)
    counts = []
    for minute in (1, 2):
        while clock.monotonic() < minute * 60.0:
            clock.advance(lanes.wait_s + 1e-6)
            lanes.fill(wanted)
        counts.append(requests())
    return (counts[1] - counts[0]) / 60.0


def test_a_worker_with_a_bell_asks_no_more_either(queue, clock):
    looks = []
    lanes = Lanes(
        queue, clock, lease_s=30.0, keep=lambda lease: None, will=Will(), bell=lambda: bool(looks.append(clock.now()))
    )
    asked = idle_requests_a_second(lanes, lambda: queue.operations.total() + len(looks), clock)
    assert 2.2 <= asked <= 2.6


def test_the_bell_makes_polling_quick_again_before_there_is_anything_to_take(queue, clock):
    blobs = MemoryBlobs(clock)
    lanes = Lanes(queue, clock, lease_s=30.0, keep=lambda lease: None, will=Will(), bell=Bell(blobs).rang)
    idle_requests_a_second(lanes, queue.operations.total, clock)
    rung_at, wanted = clock.monotonic(), Wanted(room=1, shard_s=None)
    ring(blobs, "r-0123456789abcdef")
    while lanes.wait_s > 0.011:
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    assert clock.monotonic() - rung_at <= 2 * BELL_EVERY_S


def test_every_lane_is_still_looked_at_when_idle(queue, lanes, clock):
    wanted = Wanted(room=1, shard_s=None)
    for _ in range(40):
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    asked = queue.operations.targets("queue.get")[-40:]
    assert {URGENT, NORMAL, OFFPEAK} == set(asked)


def test_work_makes_polling_quick_again(queue, lanes, clock):
    wanted = Wanted(room=1, shard_s=30.0)
    for _ in range(20):
        clock.advance(lanes.wait_s + 1e-6)
        lanes.fill(wanted)
    send(queue, NORMAL)
    clock.advance(lanes.wait_s + 1e-6)
    assert lanes.fill(wanted)
    lanes.next()
    lanes.fill(wanted)
    assert lanes.wait_s == pytest.approx(0.010)


def test_while_no_shard_could_start_there_is_no_hurry_but_then_it_is_asked_at_once(lanes, queue, clock):
    lanes.fill(Wanted(room=0, shard_s=0.5, idle=False))
    assert lanes.wait_s == pytest.approx(FULL_WAIT_S)
    send(queue, NORMAL)
    clock.advance(BUSY_WAIT_S)
    assert not lanes.fill(Wanted(room=0, shard_s=0.5, idle=False))
    assert lanes.fill(Wanted(room=1, shard_s=0.5, idle=False))


def test_while_others_are_under_way_it_is_asked_a_few_times_a_second(lanes, queue, clock):
    for _ in range(40):
        lanes.fill(Wanted(room=1, shard_s=0.5, idle=False))
        lanes.fill(Wanted(room=0, shard_s=0.5, idle=False))
        clock.advance(0.05)
    assert queue.operations.targets("queue.get").count(NORMAL) <= 9


def test_nothing_is_asked_before_its_time(lanes, queue):
    wanted = Wanted(room=1, shard_s=None)
    lanes.fill(wanted)
    asked = queue.operations.total()
    lanes.fill(wanted)
    assert queue.operations.total() == asked


def test_drained_messages_are_gone_from_the_buffer(lanes, queue):
    send(queue, NORMAL, 3)
    lanes.fill(Wanted(room=3, shard_s=None))
    assert len(list(lanes.drain())) == 3
    assert lanes.next() is None
