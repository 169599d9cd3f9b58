"""What the next life does with what a dead one held, over storage in memory."""

from collections.abc import Callable

import pytest

from dropscore.cloud.memory import ManualClock, MemoryCloud, memory_cloud
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import Piece, ShardMessage, ShardSpec
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.verdict import WorkerFacts
from gpu_worker.attempts import Attempts
from gpu_worker.heir import Heir
from gpu_worker.lanes import Lanes, Wanted
from gpu_worker.leases import Lease
from gpu_worker.lives import Cause, Dead, Death
from gpu_worker.will import LeftPiece, Will

NORMAL = QueueName.SHARDS_NORMAL
KILLED = Death(cause=Cause.SIGNAL, code=139, at="2026-01-01T00:00:00.000000Z", lived_s=1.0)


SHARD = ShardSpec(shard_id=0, input_index=0, first_item=0, items=8)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cloud(clock: ManualClock) -> MemoryCloud:
    return memory_cloud(clock)


@pytest.fixture
def will() -> Will:
    """Of a life that has died."""
    will = Will()
    facts = WorkerFacts(worker="w1", device="cpu (2 lanes)", code_version="1")
    will.introduce({"worker": encode(facts)})
    return will


@pytest.fixture
def lease_one(cloud: MemoryCloud, clock: ManualClock, will: Will) -> Callable[..., Lease]:
    """A lease of the life that has died."""

    def lease(body: bytes | None = None) -> Lease:
        cloud.queue.send(NORMAL, encode_bytes(ShardMessage(run_id="run-1", shard=SHARD)) if body is None else body)
        (message,) = cloud.queue.receive(NORMAL, count=1, lease_s=30)
        return Lease(message, queue=cloud.queue, clock=clock, leased_at=clock.monotonic(), lease_s=30, will=will)

    return lease


@pytest.fixture
def lanes(cloud: MemoryCloud, clock: ManualClock) -> Lanes:
    return Lanes(cloud.queue, clock, lease_s=30.0, keep=lambda lease: None, will=Will())


@pytest.fixture
def heir(cloud: MemoryCloud, clock: ManualClock, lanes: Lanes) -> Heir:
    return Heir(queue=cloud.queue, clock=clock, attempts=Attempts(cloud.blobs, clock), lanes=lanes)


def attempts(cloud: MemoryCloud) -> list[Attempt]:
    found = cloud.blobs.list(layout.attempts_prefix("run-1", 0))
    return [decode(Attempt, cloud.blobs.get(info.path).data) for info in found]


@pytest.mark.fault(19)
def test_the_death_of_a_piece_under_its_shards_lease_is_the_pieces_and_the_shard_is_taken_over(
    cloud, heir, lanes, will, lease_one
):
    lease = lease_one()
    lease.narrow(LeftPiece(first_item=5, items=1, generation=1, deliveries=2))
    lease.note.started()
    lease.note.begin("encoding", range(5, 6), 0.0)
    heir.settle([Dead(will=will, death=KILLED)])

    (death,) = attempts(cloud)
    assert (death.range, death.delivery, death.at_work) == (Piece(first_item=5, items=1), 2, (5,))
    again = lanes.next()
    assert again is not None
    assert decode(ShardMessage, again.message.body).piece is None
    assert again.message.dequeue_count == 2
    assert not again.interrupted, "the shard was divided"


def test_a_lease_that_was_not_begun_with_is_taken_over_and_counts_no_delivery(cloud, heir, lanes, will, lease_one):
    dead = lease_one()
    heir.settle([Dead(will=will, death=KILLED)])
    lease = lanes.next()
    assert lease is not None
    assert (lease.message.message_id, lease.message.dequeue_count) == (dead.message.message_id, 1)
    assert (lease.held, lease.tried) == (True, False)
    assert will.left() == ()
    assert attempts(cloud) == []
    lease.extend()
    lease.release()


def test_one_that_was_being_settled_is_taken_over_and_looked_at_before_it_is_scored_again(heir, lanes, will, lease_one):
    note = lease_one().note
    note.started()
    note.over()
    heir.settle([Dead(will=will, death=KILLED)])
    lease = lanes.next()
    assert lease is not None
    assert (lease.tried, lease.interrupted) == (True, False)


def test_one_that_was_leased_briefly_at_first_is_held_no_longer_than_it_is_until_it_is_extended(
    cloud, clock, heir, lanes, will
):
    cloud.queue.send(NORMAL, encode_bytes(ShardMessage(run_id="run-1", shard=SHARD)))
    dead = Lanes(cloud.queue, clock, lease_s=30.0, keep=lambda lease: None, will=will)
    dead.fill(Wanted(room=1, shard_s=None))
    clock.advance(14.0)
    heir.settle([Dead(will=will, death=KILLED)])
    lease = lanes.next()
    assert lease is not None
    assert (lease.held, lease.lease_s) == (True, 30.0)
    clock.advance(2.0)
    assert not lease.held
    lease.extend()
    clock.advance(29.0)
    assert lease.held


@pytest.mark.fault(19)
def test_one_that_was_worked_on_gets_a_record_and_goes_first_as_another_delivery(cloud, heir, lanes, will, lease_one):
    lease_one()
    suspect = lease_one()
    suspect.note.started()
    suspect.note.begin("decoding", range(5, 6), 0.0)
    heir.settle([Dead(will=will, death=KILLED)])

    again = lanes.next()
    assert again is not None
    assert (again.message.message_id, again.message.dequeue_count) == (suspect.message.message_id, 2)
    assert (again.held, again.tried, again.interrupted) == (True, True, True)
    (death,) = attempts(cloud)
    assert (death.at_work, death.signal, death.death, death.stage) == ((5,), "SIGSEGV", True, "decoding")
    assert (death.failure.code, death.delivery, death.worker.device) == (Code.SHARD_POISON, 1, "cpu (2 lanes)")
    assert will.left() == ()


def test_each_death_over_one_message_is_another_delivery(cloud, clock, lease_one, will):
    """None of the records takes another's place, though the queue delivered the message once."""
    lease_one().note.started()
    for _ in range(3):
        after = Will()
        after.introduce(will.facts)
        lanes = Lanes(cloud.queue, clock, lease_s=30.0, keep=lambda lease: None, will=after)
        heir = Heir(queue=cloud.queue, clock=clock, attempts=Attempts(cloud.blobs, clock), lanes=lanes)
        heir.settle([Dead(will=will, death=KILLED)])
        lease = lanes.next()
        assert lease is not None
        lease.note.started()
        will = after
    assert [one.delivery for one in attempts(cloud)] == [1, 2, 3]


def test_after_a_keeper_that_died_too_what_was_begun_counts_a_delivery_and_is_held_against_nobody(
    cloud, heir, lanes, will, lease_one
):
    lease_one()
    lease_one().note.started()
    settling = lease_one()
    settling.note.started()
    settling.note.over()
    abandoned = Death(cause=Cause.ABANDONED, code=137, at=KILLED.at, lived_s=0.0)
    heir.settle([Dead(will=will, death=abandoned)])

    found = [lanes.next() for _ in range(3)]
    assert [(one.message.dequeue_count, one.tried) for one in found] == [(2, True), (2, True), (1, False)]
    assert attempts(cloud) == []
    assert will.left() == ()


def test_the_newest_receipt_is_the_one_that_is_used(heir, lanes, will, lease_one, clock):
    lease = lease_one()
    lease.note.started()
    clock.advance(10.0)
    lease.extend()
    heir.settle([Dead(will=will, death=KILLED)])
    again = lanes.next()
    assert again is not None
    again.extend()


def test_a_message_that_somebody_else_has_is_left_alone(cloud, heir, will, lease_one, clock):
    lease_one().note.started()
    clock.advance(31.0)
    (theirs,) = cloud.queue.receive(NORMAL, count=1, lease_s=60)
    heir.settle([Dead(will=will, death=KILLED)])
    assert cloud.queue.receive(NORMAL, count=1, lease_s=1) == []
    assert cloud.queue.delete(theirs)
    assert will.left() == ()


def test_after_a_hang_only_the_late_are_recorded(cloud, heir, lanes, will, lease_one):
    late, other = lease_one().note, lease_one().note
    for number, note in enumerate((late, other)):
        note.started()
        work = note.begin("predicting 0", range(number, number + 1), 0.0)
        if note is late:
            note.late(work)
    hung = Death(cause=Cause.HUNG, code=71, at=KILLED.at, lived_s=1.0)
    heir.settle([Dead(will=will, death=hung)])
    (record,) = attempts(cloud)
    assert (record.failure.code, record.at_work, record.signal) == (Code.ITEM_DEADLINE, (0,), None)
    again, untouched = lanes.next(), lanes.next()
    assert again is not None
    assert untouched is not None
    assert (again.message.dequeue_count, untouched.message.dequeue_count) == (2, 1)
    assert untouched.tried


def test_what_storage_does_not_allow_now_is_left_to_the_next_life_and_recorded_once(cloud, heir, will, lease_one):
    lease_one().note.started()

    def busy(operation: Operation) -> None:
        if operation.kind == "queue.update":
            raise TransientCloudError("busy")

    cloud.queue.operations.interrupt = busy
    heir.settle([Dead(will=will, death=KILLED)])
    assert len(will.left()) == 1
    cloud.queue.operations.interrupt = None
    heir.settle([Dead(will=will, death=KILLED)])
    assert will.left() == ()
    assert len(attempts(cloud)) == 1


def test_a_lease_noted_by_two_lives_is_seen_to_once(cloud, heir, lanes, will, lease_one, clock):
    """The life in between took it over, and died before it could strike it out."""
    lease = lease_one()
    between = Will()
    taken = Lease(lease.message, queue=cloud.queue, clock=clock, leased_at=0.0, lease_s=30.0, will=between)
    taken.extend()
    heir.settle([Dead(will=will, death=KILLED), Dead(will=between, death=KILLED)])
    inherited = lanes.next()
    assert inherited is not None
    assert inherited.message.receipt == taken.message.receipt
    assert lanes.next() is None
    assert (will.left(), between.left()) == ((), ())


def test_the_last_life_gives_everything_back(cloud, clock, will, lease_one):
    lease_one()
    lease_one().note.started()
    told = Death(cause=Cause.TOLD, code=137, at=KILLED.at, lived_s=1.0)
    last = Heir(queue=cloud.queue, clock=clock, attempts=Attempts(cloud.blobs, clock), lanes=None)
    last.settle([Dead(will=will, death=told)])
    assert len(cloud.queue.receive(NORMAL, count=2, lease_s=1)) == 2
    assert attempts(cloud) == []


@pytest.mark.parametrize("body", [b"{no json", b"x" * 4000], ids=["malformed", "too-long"])
def test_a_message_that_is_none_of_ours_is_given_back_without_a_record(cloud, heir, will, lease_one, body):
    lease_one(body).note.started()
    heir.settle([Dead(will=will, death=KILLED)])
    assert len(cloud.queue.receive(NORMAL, count=1, lease_s=1)) == 1
    assert attempts(cloud) == []
