"""Messages that nobody can read: out of the way at once, put aside in their time, never lost."""

import pytest

from dropscore.cloud.memory import MemoryBlobs, MemoryQueue
from dropscore.cloud.memory import memory_cloud as new_cloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.quarantine import PoisonedMessage
from gpu_worker.junk import FLOOD_LEASE_S, Junk, Pace
from gpu_worker.lanes import MOST_PER_CALL, Lanes, Wanted
from gpu_worker.will import Will

NORMAL, POISON = QueueName.SHARDS_NORMAL, QueueName.SHARDS_NORMAL_POISON
LEASE_S = 30.0
NEXT = Wanted(room=1, shard_s=None)


def shard(run_id: str = "run-1", number: int = 0) -> bytes:
    spec = ShardSpec(shard_id=number, input_index=0, first_item=0, items=1)
    return encode_bytes(ShardMessage(run_id=run_id, shard=spec))


JUNK = [
    b"no json",
    b"\xff\xfe",
    shard().replace(b'"schema_version":1', b'"schema_version":2'),
    b"{" + b" " * 4096 + b"}",
    b"",
]


@pytest.fixture
def cloud():
    return new_cloud()


@pytest.fixture
def queue(cloud) -> MemoryQueue:
    return cloud.queue


@pytest.fixture
def blobs(cloud) -> MemoryBlobs:
    cloud.blobs.put(layout.admission("run-1"), b"{}")
    return cloud.blobs


@pytest.fixture
def junk(cloud, blobs, queue):
    junk = Junk(blobs, queue, cloud.clock, worker="w1")
    yield junk
    junk.stop()


@pytest.fixture
def lanes(cloud, queue, junk) -> Lanes:
    return Lanes(queue, cloud.clock, lease_s=LEASE_S, keep=lambda lease: None, will=Will(), junk=junk)


def fill_until_found(lanes, within=100):
    for _ in range(within):
        lanes.fill(NEXT)
        if len(lanes):
            return
    pytest.fail("nothing was found")


@pytest.mark.fault(40)
@pytest.mark.fault(42)
@pytest.mark.parametrize("body", JUNK)
def test_what_cannot_be_read_leaves_on_first_sight_with_its_reason(queue, lanes, wait_until, body):
    queue.send(NORMAL, body)
    queue.send(NORMAL, shard())
    fill_until_found(lanes)
    assert lanes.next().message.body == shard()
    wait_until(lambda: queue.depth(POISON) == 1)
    record = decode(PoisonedMessage, queue.bodies(POISON)[0])
    assert (record.queue, record.worker, record.body_bytes) == (NORMAL, "w1", len(body))
    assert "ShardMessage" in record.reason
    wait_until(lambda: queue.depth(NORMAL) == 1)


def test_a_flood_is_gone_through_with_full_calls_before_anything_is_put_aside(queue, lanes, junk):
    for number in range(1000):
        queue.send(NORMAL, JUNK[number % len(JUNK)])
    queue.send(NORMAL, shard())
    junk.set_pace(Pace.NONE)
    fill_until_found(lanes)
    assert queue.operations.counts()["queue.get"] <= 1000 // MOST_PER_CALL + 8
    assert queue.depth(POISON) == 0
    assert len(junk) == 1000


def test_what_can_be_read_behind_a_flood_is_kept_for_its_own_lease(queue, lanes):
    for _ in range(50):
        queue.send(NORMAL, b"no json")
    queue.send(NORMAL, shard())
    fill_until_found(lanes)
    assert lanes.flooded
    lease = lanes.next()
    assert lease.lease_s == LEASE_S < FLOOD_LEASE_S
    lanes.fill(NEXT)
    lanes.fill(NEXT)
    assert not lanes.flooded


def test_no_more_than_is_wanted_is_held_behind_a_flood(queue, lanes):
    for _ in range(50):
        queue.send(NORMAL, b"no json")
    for number in range(30):
        queue.send(NORMAL, shard(number=number))
    fill_until_found(lanes)
    assert len(lanes) == NEXT.room + NEXT.ahead
    others = queue.receive(NORMAL, count=32, lease_s=30)
    assert len(others) == 30 - len(lanes)


def test_shards_of_runs_that_do_not_exist_are_part_of_the_flood(queue, blobs, lanes, wait_until, junk):
    for number in range(200):
        queue.send(NORMAL, b"no json" if number % 2 else shard("nobody", number))
    queue.send(NORMAL, shard())
    heads = blobs.operations.counts().get("blob.head", 0)
    while not (len(lanes) and lanes.next().message.body == shard()):
        lanes.fill(NEXT)
    assert blobs.operations.counts()["blob.head"] - heads <= 2, "each run is asked about once"
    junk.set_pace(Pace.FAST)
    wait_until(lambda: queue.depth(POISON) >= 198)


def test_beside_work_one_message_at_a_time_is_put_aside_with_pauses(queue, lanes, junk, wait_until):
    for _ in range(64):
        queue.send(NORMAL, b"no json")
    junk.set_pace(Pace.NONE)
    while lanes.fill(NEXT):
        pass
    junk.set_pace(Pace.SLOW)
    wait_until(lambda: queue.depth(POISON) >= 3)
    junk.set_pace(Pace.FAST)
    wait_until(lambda: queue.depth(POISON) == 64)
    assert queue.depth(NORMAL) == 0


@pytest.mark.fault(44)
def test_a_message_stays_until_its_record_is_there(queue, lanes, wait_until, caplog):
    def refuse(operation):
        if operation.kind == "queue.put":
            raise TransientCloudError("no answer")

    queue.send(NORMAL, b"no json")
    queue.operations.interrupt = refuse
    lanes.fill(NEXT)
    wait_until(lambda: "stays for now" in caplog.text)
    assert queue.bodies(NORMAL) == [b"no json"]
    assert queue.bodies(POISON) == []


def test_a_message_whose_lease_is_nearly_over_is_left_to_come_back(cloud, queue, junk, wait_until):
    queue.send(NORMAL, b"no json")
    (message,) = queue.receive(NORMAL, count=1, lease_s=30)
    junk.take(message, "why", leased_until=cloud.clock.monotonic() + 1.0)
    wait_until(lambda: len(junk) == 0)
    assert queue.bodies(POISON) == []
    assert queue.bodies(NORMAL) == [b"no json"]


def test_not_more_is_kept_than_there_is_room_for(cloud, queue, junk, monkeypatch):
    monkeypatch.setattr("gpu_worker.junk.MOST_BYTES", 10_000)
    junk.set_pace(Pace.NONE)
    for _ in range(20):
        queue.send(NORMAL, b"x" * 1000)
    for message in queue.receive(NORMAL, count=20, lease_s=30):
        junk.take(message, "why", leased_until=cloud.clock.monotonic() + 30)
    assert len(junk) == 10
