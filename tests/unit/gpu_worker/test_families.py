"""Pieces scored under the lease of what was divided: in which order, when, and what becomes of the lease."""

from dataclasses import dataclass, field

import pytest

from dropscore.cloud.memory import ManualClock, MemoryQueue, memory_cloud
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import Piece, ShardMessage, ShardSpec
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.verdict import WorkerFacts
from gpu_worker.families import IN_PLACE_S, Families, Family, Member, members
from gpu_worker.leases import Lease
from gpu_worker.pieces import Pieces
from gpu_worker.settle import Settling
from gpu_worker.verdicts import Identity, Verdicts
from gpu_worker.will import Will

LANE = QueueName.SHARDS_NORMAL
SHARD = ShardSpec(shard_id=0, input_index=0, first_item=0, items=30)
WHOLE = Piece.of(SHARD)


def message(first: int, items: int, cut_from: Piece = WHOLE) -> ShardMessage:
    piece = Piece(first_item=first, items=items)
    return ShardMessage(run_id="run-1", shard=SHARD, piece=piece, cut_from=cut_from, generation=1)


def member(first: int, items: int = 1, *, due: float = 0.0, known: tuple[Attempt, ...] = ()) -> Member:
    return Member(message=message(first, items), known=known, due=due)


def attempt(range_: Piece, *at_work: int, death: bool = False) -> Attempt:
    return Attempt(
        run_id="run-1",
        shard_id=0,
        range=range_,
        delivery=1,
        at="2026-01-01T00:00:00.000000Z",
        worker=WorkerFacts(worker="w", device="cpu", code_version="0"),
        failure=failure(Code.INTERNAL),
        at_work=at_work,
        death=death,
    )


@dataclass
class Yard:
    """Families of a worker that notes what it is asked to do."""

    clock: ManualClock = field(default_factory=ManualClock)
    begun: list[Member] = field(default_factory=list)
    sent: list[Member] = field(default_factory=list)
    place: bool = True

    def __post_init__(self) -> None:
        self.queue = MemoryQueue(self.clock)
        self.families = Families(
            self.clock,
            begin=lambda _, one: self.begun.append(one),
            hand_on=lambda _, pieces: self.sent.extend(pieces),
            let_go=lambda lease: lease.delete(),
            give_back=lambda lease: lease.release(),
        )

    def family(self, *waiting: Member) -> Family:
        """One whose shard has just been divided."""
        self.queue.send(LANE, b"{}")
        (leased,) = self.queue.receive(LANE, count=1, lease_s=30)
        now = self.clock.monotonic()
        lease = Lease(leased, queue=self.queue, clock=self.clock, leased_at=now, lease_s=30, will=Will())
        family = Family(lease, now=now)
        family.add(waiting)

        assert self.families.over(family, leaving=False) != bool(waiting)
        return family

    def look(self) -> None:
        self.families.look(lambda: self.place)

    def firsts(self) -> list[int]:
        return [one.message.range.first_item for one in self.begun]


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_an_item_that_ended_a_process_comes_first_then_what_failed_then_its_neighbours() -> None:
    known = [attempt(WHOLE, 7), attempt(WHOLE, 20, death=True)]
    pieces = members([message(0, 7), message(7, 1), message(8, 12), message(20, 1)], known, now=0.0)
    assert [one.message.range.first_item for one in pieces] == [20, 7, 0, 8]
    assert [len(one.known) for one in pieces] == [1, 1, 0, 0]


def test_items_of_which_one_ended_a_process_come_last() -> None:
    known = [attempt(WHOLE, 3, 20, 25, death=True)]
    pieces = members([message(0, 3), message(3, 27)], known, now=0.0)
    assert [one.message.range.first_item for one in pieces] == [0, 3]


def test_a_death_that_another_explains_says_nothing_of_the_neighbours() -> None:
    """The first death had four items at work; at the second one of them was alone."""
    known = [attempt(WHOLE, 18, 19, 20, 21, death=True), attempt(WHOLE, 20, death=True)]
    pieces = members([message(0, 20), message(20, 1), message(21, 9)], known, now=0.0)
    assert [(one.message.range.first_item, len(one.known)) for one in pieces] == [(20, 2), (0, 0), (21, 0)]


def test_a_death_that_none_explains_is_held_against_all_that_were_at_work() -> None:
    known = [attempt(WHOLE, 1, 2, death=True), attempt(WHOLE, 20, death=True)]
    pieces = members([message(0, 20), message(20, 1), message(21, 9)], known, now=0.0)
    assert [(one.message.range.first_item, len(one.known)) for one in pieces] == [(20, 1), (21, 0), (0, 1)]


def test_a_piece_counts_its_own_tries_and_none_of_what_it_was_cut_from() -> None:
    own = Piece(first_item=7, items=1)
    assert member(7, known=(attempt(WHOLE, 7), attempt(own, 7), attempt(own, 7))).deliveries == 3
    assert member(7, known=(attempt(WHOLE, 7),)).deliveries == 1


def test_pieces_go_one_after_the_other_and_the_message_goes_with_the_last(yard: Yard) -> None:
    family = yard.family(member(0), member(1))
    for expected in ([0], [0, 1]):
        yard.look()
        yard.look()
        assert yard.firsts() == expected
        assert (family.lease.held, len(yard.families)) == (True, 1)
        gone = yard.families.over(family, leaving=False)
    assert (gone, len(yard.families)) == (True, 0)
    yard.clock.advance(60)
    assert yard.queue.receive(LANE, count=1, lease_s=1) == []


def test_one_that_is_to_be_tried_again_waits_and_lets_the_others_go_first(yard: Yard) -> None:
    family = yard.family(member(0, due=yard.clock.monotonic() + 2.0), member(1))
    yard.look()
    yard.families.over(family, leaving=False)
    yard.look()
    assert yard.firsts() == [1]
    yard.clock.advance(2.0)
    yard.look()
    assert yard.firsts() == [1, 0]


def test_what_has_not_begun_in_time_goes_over_the_queue(yard: Yard) -> None:
    family = yard.family(member(0), member(1), member(2))
    yard.look()
    yard.clock.advance(IN_PLACE_S + 0.1)
    family.lease.extend()
    yard.look()
    assert [one.message.range.first_item for one in yard.sent] == [1, 2]
    assert not yard.families.over(family, leaving=False)  # they are sent, and the first is still scored
    assert yard.families.over(family, leaving=False)


def test_one_that_would_begin_too_late_goes_over_the_queue_at_once(yard: Yard) -> None:
    yard.family(member(0, due=yard.clock.monotonic() + IN_PLACE_S + 1.0))
    yard.look()
    assert (len(yard.sent), yard.begun) == (1, [])


def test_a_worker_that_leaves_gives_the_message_back_with_what_waits(yard: Yard) -> None:
    family = yard.family(member(0), member(1))
    assert yard.families.resting() == [family.lease]
    yard.look()
    assert yard.families.resting() == []
    assert yard.families.over(family, leaving=True)
    assert len(yard.queue.receive(LANE, count=1, lease_s=1)) == 1


def test_a_family_whose_lease_is_lost_is_forgotten(yard: Yard) -> None:
    family = yard.family(member(0))
    yard.clock.advance(31)
    yard.look()
    assert (yard.begun, len(yard.families)) == ([], 0)
    assert not family.lease.held


def test_a_piece_waits_for_its_place_as_a_shard_does(yard: Yard) -> None:
    yard.family(member(0))
    yard.place = False
    yard.look()
    assert yard.begun == []
    yard.place = True
    yard.look()
    assert yard.firsts() == [0]


def test_whoever_waits_beside_a_piece_looks_whether_it_was_the_last(yard: Yard) -> None:
    half = Piece(first_item=10, items=20)
    family = yard.family(member(0))
    assert family.awaits_sibling(message(1, 9))
    assert not family.awaits_sibling(message(11, 1, cut_from=half))


def test_a_family_is_in_danger_while_a_piece_waits_that_has_ended_a_process(yard: Yard) -> None:
    yard.family(member(0), member(7, known=(attempt(WHOLE, 7),)))
    assert not yard.families.in_danger()
    yard.family(member(20, known=(attempt(WHOLE, 20, death=True),)))
    assert yard.families.in_danger()


@pytest.mark.fault(41)
def test_a_piece_that_goes_over_the_queue_says_that_it_was_tried_before(yard: Yard) -> None:
    """It was cut off beside the items that failed, and failed by itself: whoever gets it must count those tries."""
    family = yard.family()
    cloud = memory_cloud(yard.clock)
    pieces = Pieces(cloud.blobs, yard.clock)
    identity = Identity(name="w", device="cpu", code_version="0")
    verdicts = Verdicts(cloud.blobs, yard.clock, pieces, identity, cancelled=lambda _: False)
    settling = Settling(cloud.queue, yard.clock, verdicts, pieces, worker="w")
    piece = message(8, 22).model_copy(update={"suspected": False})
    tried = attempt(piece.range, 9)

    for known in ((tried,), ()):
        settling.hand_on(family, [Member(message=piece, known=known, due=0.0)])

    sent = [decode(ShardMessage, body) for body in cloud.queue.bodies(LANE)]
    assert [one.suspected for one in sent] == [True, False]
