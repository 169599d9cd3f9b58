"""Dividing, quarantine and the sum of the pieces: over storage in memory, stopped after every single step."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dropscore.cloud.memory import ManualClock, MemoryCloud, memory_cloud
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import Piece, ShardMessage, ShardSpec
from dropscore.contracts.quarantine import Attempt, Quarantined, Split
from dropscore.contracts.verdict import ItemTiming, Outcome, PartRef, Verdict, WorkerFacts
from gpu_worker.attempts import Attempts, Tried
from gpu_worker.pieces import Pieces, verdict_path
from gpu_worker.records import Records
from gpu_worker.remembered import RememberedBlobs

RUN = "run-1"
SHARD = ShardSpec(shard_id=42, input_index=0, first_item=100, items=20)
WORKER = WorkerFacts(worker="w1", device="cpu", code_version="0")
LANE = QueueName.SHARDS_NORMAL


class StoppedHere(Exception):
    """The process ends at this operation."""


def piece(first_item: int, items: int) -> Piece:
    return Piece(first_item=first_item, items=items)


def message(of: Piece | None = None, generation: int = 0) -> ShardMessage:
    return ShardMessage(run_id=RUN, shard=SHARD, piece=of, generation=generation)


def tried(of: Piece | None = None, delivery: int = 1, message_id: str = "m1") -> Tried:
    return Tried(
        queue=LANE,
        message_id=message_id,
        delivery=delivery,
        message=message(of),
        worker=WORKER,
        started_at="2026-01-01T00:00:00.000000Z",
        duration_s=2.0,
        input="film.mp4",
    )


def done(of: Piece) -> Verdict:
    digest = f"{of.first_item:064x}"
    return Verdict(
        run_id=RUN,
        shard_id=SHARD.shard_id,
        outcome=Outcome.DONE,
        items_done=of.items,
        part=PartRef(path=f"{RUN}/parts/{digest}", sha256=digest, size_bytes=1, media_type="video/mp4"),
        worker=WORKER,
        started_at="2026-01-01T00:00:01.000000Z",
        duration_s=1.0,
        items=tuple(ItemTiming(item=item) for item in range(of.first_item, of.end)),
        metrics={"frames": of.items},
    )


def stopped_after(operations: int) -> Callable[[Operation], None]:
    """An interrupt that lets so many writes through."""
    left = iter(range(operations))

    def interrupt(operation: Operation) -> None:
        if operation.kind in ("blob.put", "blob.delete", "queue.put") and next(left, None) is None:
            raise StoppedHere

    return interrupt


class Bench:
    """Pieces over a cloud in memory."""

    def __init__(self) -> None:
        self.cloud: MemoryCloud = memory_cloud(ManualClock())
        self.pieces = Pieces(RememberedBlobs(self.cloud.blobs, Records()), self.cloud.clock)
        self.to_score = list[ShardMessage]()
        """Messages of the pieces that are to be scored."""

    def give_up(self, of: Tried, why: Failure, pieces: Sequence[Piece], known: Sequence[Attempt] = ()) -> None:
        """What a worker does with what failed for good."""
        self.to_score += self.pieces.give_up(of, why, pieces, known=known)
        if not pieces:
            self.pieces.merge(of.message)

    def resume(self, of: ShardMessage) -> list[ShardMessage]:
        found = self.pieces.resume(of)
        self.to_score += found
        return found

    def interrupt(self, by: Callable[[Operation], None] | None) -> None:
        self.cloud.blobs.operations.interrupt = self.cloud.queue.operations.interrupt = by

    def sent(self) -> list[Piece]:
        return [one.range for one in self.to_score]

    def message_of(self, of: Piece) -> ShardMessage:
        """The message of a piece that is to be scored."""
        return next(one for one in self.to_score if one.range == of)

    def verdict(self, of: Piece | None = None) -> Verdict | None:
        stored = self.cloud.blobs.stored(verdict_path(message(of)))
        return None if stored is None else decode(Verdict, stored.data)

    def score(self, of: Piece) -> None:
        """What a worker does whose piece came out."""
        self.pieces.commit(message(of), done(of))
        self.pieces.merge(message(of))

    def quarantined(self) -> list[Quarantined]:
        found = self.cloud.blobs.list(layout.quarantine_prefix(RUN))
        return [decode(Quarantined, self.cloud.blobs.get(info.path).data) for info in found]


@pytest.fixture
def bench() -> Bench:
    return Bench()


CORRUPT = failure(Code.INPUT_CORRUPT, "frame 107 is damaged", item=107, last_item=109)
BEFORE, GUILTY, AFTER = piece(100, 7), piece(107, 3), piece(110, 10)


def test_the_guilty_items_are_shelved_and_their_neighbours_sent(bench: Bench) -> None:
    bench.give_up(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))

    assert bench.sent() == [BEFORE, AFTER]
    assert [one.generation for one in bench.to_score] == [1, 1]
    (shelved,) = bench.quarantined()
    assert (shelved.range, shelved.input, shelved.failure.code) == (GUILTY, "film.mp4", Code.INPUT_CORRUPT)
    assert (shelved.failure.item, shelved.failure.last_item, shelved.failure.shard_id) == (107, 109, 42)
    failed = bench.verdict(GUILTY)
    assert failed is not None
    assert (failed.outcome, failed.items_done, failed.items_failed) == (Outcome.FAILED, 0, 3)
    assert bench.verdict() is None


def test_the_last_piece_writes_the_verdict_of_the_shard(bench: Bench) -> None:
    bench.give_up(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    bench.score(AFTER)
    assert bench.verdict() is None
    bench.score(BEFORE)

    verdict = bench.verdict()
    assert verdict is not None
    assert (verdict.outcome, verdict.items_done, verdict.items_failed) == (Outcome.SPLIT, 17, 3)
    assert [(one.first_item, one.items, one.outcome) for one in verdict.pieces] == [
        (100, 7, Outcome.DONE),
        (107, 3, Outcome.FAILED),
        (110, 10, Outcome.DONE),
    ]
    assert [one.part is not None for one in verdict.pieces] == [True, False, True]
    assert verdict.pieces[1].failure is not None
    assert verdict.pieces[0].metrics == {"frames": 7}
    assert [timing.item for timing in verdict.items] == [*range(100, 107), *range(110, 120)]
    assert (verdict.duration_s, verdict.started_at) == (4.0, "2026-01-01T00:00:00.000000Z")
    info = bench.cloud.blobs.head(layout.verdict(RUN, 42))
    assert info is not None
    assert info.metadata == {
        "outcome": "split",
        "items_done": "17",
        "items_failed": "3",
        "attempt": str(verdict.attempt),
        "duration_s": "4.000",
        "at": bench.cloud.clock.now(),
    }


def test_pieces_of_pieces_add_up_to_one_flat_list(bench: Bench) -> None:
    left, right = piece(100, 10), piece(110, 10)
    bug = failure(Code.SHARD_FAILED)
    bench.give_up(tried(), bug, (left, right))
    bench.give_up(tried(right), bug, (piece(110, 9), piece(119, 1)))
    bench.give_up(tried(piece(119, 1)), bug, ())
    bench.score(left)
    bench.score(piece(110, 9))

    half, whole = bench.verdict(right), bench.verdict()
    assert half is not None
    assert whole is not None
    assert (half.outcome, half.items_done, half.items_failed) == (Outcome.SPLIT, 9, 1)
    assert [(one.first_item, one.items) for one in whole.pieces] == [(100, 10), (110, 9), (119, 1)]
    assert (whole.items_done, whole.items_failed) == (19, 1)
    assert whole.pieces[2].failure is not None
    assert whole.pieces[2].failure.item == 119


def test_the_sum_of_pieces_is_found_by_what_their_messages_say(bench: Bench) -> None:
    """No records are listed for it, and those that this worker wrote are not read."""
    left, right, end = piece(100, 10), piece(110, 9), piece(119, 1)
    bug = failure(Code.SHARD_FAILED)
    bench.give_up(tried(), bug, (left, piece(110, 10)))
    half = bench.message_of(piece(110, 10))
    bench.give_up(replace(tried(), message=half), bug, (right, end))
    asked = list[str]()
    bench.interrupt(lambda operation: asked.append(operation.kind))

    for one in (left, right, end):
        bench.pieces.commit(bench.message_of(one), done(one))
        bench.pieces.merge(bench.message_of(one))

    bench.interrupt(None)
    verdict = bench.verdict()
    assert verdict is not None
    assert verdict.items_done == 20
    assert bench.message_of(end).cut_from == piece(110, 10)
    assert Counter(asked) == {"blob.put": 5, "blob.get": 2}  # what is not there yet is asked for


def test_a_message_says_whether_an_attempt_is_about_its_items(bench: Bench) -> None:
    attempt = bench.pieces.attempts.record(tried(), failure(Code.INTERNAL), at_work=(101, 107))
    bench.give_up(tried(), failure(Code.INTERNAL), (BEFORE, GUILTY, AFTER), known=(attempt,))

    assert [bench.message_of(one).suspected for one in (BEFORE, GUILTY, AFTER)] == [True, True, False]


def test_pieces_of_a_division_by_another_are_all_suspected(bench: Bench) -> None:
    bench.pieces.split(tried(), failure(Code.INTERNAL), (BEFORE, GUILTY, AFTER))
    bench.resume(message())

    assert [bench.message_of(one).suspected for one in (BEFORE, GUILTY, AFTER)] == [True, True, True]


def test_a_shard_that_cannot_be_divided_fails_as_a_whole(bench: Bench) -> None:
    bench.give_up(tried(), failure(Code.INPUT_CHANGED), ())

    verdict = bench.verdict()
    assert verdict is not None
    assert (verdict.outcome, verdict.items_failed, verdict.pieces) == (Outcome.FAILED, 20, ())
    assert verdict.failure is not None
    assert verdict.failure.item is None
    assert bench.sent() == []
    assert bench.quarantined()[0].range == piece(100, 20)


def test_who_divides_first_decides_for_all(bench: Bench) -> None:
    bench.give_up(tried(), failure(Code.SHARD_FAILED), (piece(100, 10), piece(110, 10)))
    bench.give_up(tried(delivery=2), CORRUPT, (BEFORE, GUILTY, AFTER))

    assert set(map(str, bench.sent())) == set(map(str, [piece(100, 10), piece(110, 10)]))
    assert bench.quarantined() == []


@pytest.mark.fault(26)
def test_a_worker_that_ends_after_any_step_of_dividing_leaves_nothing_undone() -> None:
    for writes in range(20):
        bench = Bench()
        bench.interrupt(stopped_after(writes))
        try:
            bench.give_up(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
            unharmed = True
        except StoppedHere:
            unharmed = False
        bench.interrupt(None)
        if not unharmed and not bench.resume(message(generation=1)):
            bench.give_up(tried(delivery=2), CORRUPT, (BEFORE, GUILTY, AFTER))

        if bench.verdict(GUILTY) is None:  # it was sent to be scored alone, and fails again
            assert GUILTY in bench.sent()
            bench.give_up(tried(GUILTY), CORRUPT, ())
        assert {BEFORE.first_item, AFTER.first_item} <= {sent.first_item for sent in bench.sent()}
        bench.score(BEFORE)
        bench.score(AFTER)
        verdict = bench.verdict()
        assert verdict is not None
        assert (verdict.items_done, verdict.items_failed, len(verdict.pieces)) == (17, 3, 3)
        assert [one.range for one in bench.quarantined()] == [GUILTY]
        if unharmed:
            break
    else:
        pytest.fail("it never came through unharmed")
    assert writes == 3


def test_a_worker_that_ends_between_a_piece_and_the_sum_leaves_the_sum_to_the_next() -> None:
    halves = (piece(100, 10), piece(110, 10))
    for again in (lambda b: b.pieces.merge(message(halves[1])), lambda b: b.resume(message())):
        bench = Bench()
        bench.pieces.split(tried(), failure(Code.SHARD_FAILED), halves)
        for half in halves:
            bench.pieces.commit(message(half), done(half))
        assert bench.verdict() is None

        again(bench)

        verdict = bench.verdict()
        assert verdict is not None
        assert verdict.items_done == 20
        assert bench.sent() == []


def test_a_division_delivered_again_sends_only_pieces_without_a_verdict(bench: Bench) -> None:
    bench.pieces.split(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    bench.score(AFTER)

    assert bench.resume(message(generation=3))
    assert bench.sent() == [BEFORE, GUILTY]
    assert not bench.resume(message(AFTER))


def test_items_that_another_worker_scored_are_not_shelved(bench: Bench) -> None:
    bench.pieces.split(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    bench.score(GUILTY)
    bench.give_up(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    assert bench.quarantined() == []


def test_items_scored_elsewhere_at_the_last_moment_leave_quarantine_again(bench: Bench) -> None:
    def meanwhile(operation: Operation) -> None:
        if operation.kind == "blob.put" and "/quarantine/" in operation.target:
            bench.interrupt(None)
            bench.score(GUILTY)

    bench.pieces.split(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    bench.interrupt(meanwhile)
    bench.give_up(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    assert bench.quarantined() == []


def test_what_is_shelved_tells_every_attempt_that_concerns_it(bench: Bench) -> None:
    attempts, bug = bench.pieces.attempts, failure(Code.INTERNAL)
    attempts.record(tried(delivery=1), bug, at_work=range(104, 108))
    attempts.record(tried(delivery=2), bug, at_work=range(112, 116))
    attempts.record(tried(delivery=3, message_id="m2"), failure(Code.SHARD_POISON), death=True, signal="SIGSEGV")
    attempts.record(tried(delivery=3, message_id="m2"), bug)

    bench.give_up(tried(piece(107, 1)), bug, (), known=attempts.on(message(piece(107, 1))))

    (shelved,) = bench.quarantined()
    assert [(one.delivery, one.signal) for one in shelved.tries] == [(1, None), (3, "SIGSEGV")]
    assert [one.delivery for one in attempts.on(message(piece(115, 2)))] == [2, 3]


def test_a_split_tells_why_and_when(bench: Bench) -> None:
    bench.give_up(tried(), CORRUPT, (BEFORE, GUILTY, AFTER))
    stored = bench.cloud.blobs.stored(layout.split(RUN, 42, piece(100, 20)))
    assert stored is not None
    split = decode(Split, stored.data)
    assert split.failure == CORRUPT
    assert layout.range_of(layout.split(RUN, 42, piece(100, 20))) == split.range
    assert len(encode_bytes(message(AFTER))) < 2048


def test_attempts_on_other_items_are_not_read(bench: Bench) -> None:
    attempts, corrupt = bench.pieces.attempts, failure(Code.INPUT_CORRUPT)
    for item in range(100, 120):
        attempts.record(tried(delivery=item), corrupt, at_work=(item,))
    bench.cloud.blobs.operations.clear()

    another = Attempts(bench.cloud.blobs, bench.cloud.clock)
    assert [one.at_work for one in another.on(message(piece(104, 2)))] == [(104,), (105,)]
    assert bench.cloud.blobs.operations.counts() == {"blob.list": 1, "blob.get": 2}


def test_attempts_that_were_read_or_written_here_are_not_read_again(bench: Bench) -> None:
    attempts, corrupt = bench.pieces.attempts, failure(Code.INPUT_CORRUPT)
    attempts.record(tried(delivery=1), corrupt, at_work=(104,))
    Attempts(bench.cloud.blobs, bench.cloud.clock).record(tried(delivery=2), corrupt, at_work=(105,))
    bench.cloud.blobs.operations.clear()

    for _ in range(3):
        assert [one.at_work for one in attempts.on(message(piece(104, 2)))] == [(104,), (105,)]
    assert bench.cloud.blobs.operations.counts() == {"blob.list": 3, "blob.get": 1}
