"""The will: what can be read after a process ended at any instant."""

import os
import signal
import subprocess
import sys
import textwrap
import timeit

import pytest

from gpu_worker.will import LEASES, WORKS, LeftLease, LeftPiece, Note, State, Will


def hold(will: Will, number: int = 0, body: bytes = b"{}") -> Note:
    return will.hold(
        queue="shards-normal",
        message_id=f"message-{number}",
        receipt=f"receipt-{number}",
        body=body,
        deliveries=1,
        since=10.0,
        lease_s=30.0,
    )


def only(will: Will) -> LeftLease:
    (left,) = will.left()
    return left


def test_a_lease_is_left_as_it_was_held():
    will = Will()
    hold(will, body=b"b" * 2048)
    left = only(will)
    assert (left.queue, left.message_id, left.receipt) == ("shards-normal", "message-0", "receipt-0")
    assert (left.body, left.deliveries, left.since, left.lease_s) == (b"b" * 2048, 1, 10.0, 30.0)
    assert left.state is State.HELD


def test_a_body_longer_than_ours_ever_are_is_left_without_it():
    will = Will()
    hold(will, body=b"b" * 2049)
    assert only(will).body is None


def test_the_newest_receipt_is_left():
    will = Will()
    note = hold(will)
    for number in range(5):
        note.extended(f"again-{number}", 20.0 + number, 60.0)
    left = only(will)
    assert (left.receipt, left.since, left.lease_s) == ("again-4", 24.0, 60.0)


def test_the_piece_is_left_that_was_scored_under_a_lease():
    will = Will()
    note = hold(will)
    assert only(will).piece is None
    piece = LeftPiece(first_item=2**40, items=7, generation=2, deliveries=3)
    note.narrowed(piece)
    note.extended("again", 20.0, 60.0)
    assert (only(will).piece, only(will).receipt) == (piece, "again")


def test_a_lease_that_ended_is_not_left_and_its_place_is_used_again():
    will = Will()
    for number in range(3 * LEASES):
        note = hold(will, number)
        note.extended("again", 0.0, 1.0)
        note.end()
        note.extended("too late", 0.0, 1.0)
        note.started()
    assert will.left() == ()
    hold(will, 7)
    assert (only(will).message_id, only(will).receipt) == ("message-7", "receipt-7")


def test_more_leases_than_there_is_room_for_are_held_without_a_note():
    will = Will()
    notes = [hold(will, number) for number in range(LEASES + 3)]
    for note in notes:
        note.started()
        note.finish(note.begin("decoding", range(1), 0.0))
    assert len(will.left()) == LEASES
    for note in notes:
        note.end()
    assert will.left() == ()


def test_items_at_work_are_left_with_their_lease_and_no_other():
    will = Will()
    one, two = hold(will, 1), hold(will, 2)
    one.started()
    decoding = one.begin("decoding", range(7, 8), 5.0)
    one.begin("predicting 3", range(4, 6), 6.0)
    two.begin("encoding", range(90, 91), 6.5)
    one.finish(decoding)
    first, second = will.left()
    assert [(work.what, work.items, work.since) for work in first.work] == [("predicting 3", range(4, 6), 6.0)]
    assert [work.items for work in second.work] == [range(90, 91)]
    assert (first.state, second.state) == (State.STARTED, State.HELD)


def test_work_that_takes_too_long_is_marked():
    will = Will()
    note = hold(will)
    note.begin("decoding", range(3, 4), 0.0)
    note.late(note.begin("predicting 0", range(1, 2), 0.0))
    assert {work.what: work.late for work in only(will).work} == {"decoding": False, "predicting 0": True}


def test_more_work_than_there_is_room_for_is_done_without_a_note():
    will = Will()
    note = hold(will)
    works = [note.begin("decoding", range(number, number + 1), 0.0) for number in range(WORKS + 1)]
    assert works[-1] is None
    for work in works:
        note.finish(work)
    assert only(will).work == ()


def test_a_note_that_was_written_over_does_not_count():
    will = Will()
    hold(will, 1)
    hold(will, 2)
    at = bytes(will._memory).index(b"message-1")
    will._memory[at : at + 4] = b"\xff\xff\xff\xff"
    assert only(will).message_id == "message-2"


def test_a_receipt_that_was_half_written_leaves_the_one_before():
    will = Will()
    note = hold(will)
    note.extended("the second", 11.0, 30.0)
    at = bytes(will._memory).index(b"the second")
    will._memory[at : at + 3] = b"???"
    assert only(will).receipt == "receipt-0"


def test_facts_and_the_count_of_what_was_settled_are_left():
    will = Will()
    assert (will.facts, will.settled) == ({}, 0)
    will.introduce({"worker": "w1"})
    will.introduce({"worker": "w1", "memory_limit_bytes": 5})
    for _ in range(3):
        will.count_settled()
    assert (will.facts["memory_limit_bytes"], will.settled) == (5, 3)


def test_a_note_costs_a_few_microseconds():
    will = Will()
    note = hold(will)
    seconds = timeit.timeit(lambda: note.finish(note.begin("predicting 3", range(3, 5), 1.0)), number=5000) / 5000
    assert seconds < 20e-6


WRITER = """
    import os
    from itertools import count
    from gpu_worker.will import Will

    will = Will()
    pid = os.fork()
    if pid == 0:
        os.write(1, b"%d\\n" % os.getpid())
        for number in count(1):
            note = will.hold(queue="q", message_id=f"m{number}", receipt=f"r{number}-0", body=b"%d" % number,
                             deliveries=number, since=0.0, lease_s=float(number))
            note.started()
            for again in range(5):
                work = note.begin("decoding", range(number, number + 1), 0.0)
                note.extended(f"r{number}-{again}", 0.0, float(number))
                note.finish(work)
            if number % 50:
                note.end()
            if len(will.left()) > 20:
                for left in will.left():
                    will.strike(left)
    _, status = os.waitpid(pid, 0)
    for one in will.left():
        number = int(one.message_id[1:])
        assert one.receipt.startswith(f"r{number}-"), one
        assert (one.body, one.deliveries, one.lease_s) == (b"%d" % number, number, float(number)), one
        assert all(work.items == range(number, number + 1) for work in one.work), one
    print(os.WTERMSIG(status))
"""


@pytest.mark.fault(19)
def test_a_will_is_whole_whenever_its_writer_is_killed():
    for trial in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as keeper:
            assert keeper.stdout is not None
            child = int(keeper.stdout.readline())
            _spin(trial)
            os.kill(child, signal.SIGKILL)
            said, wrong = keeper.communicate(timeout=30)
        assert keeper.returncode == 0, wrong.decode()
        assert int(said) == signal.SIGKILL


def _spin(trial: int) -> None:
    """Some moment, another each time."""
    timeit.timeit(lambda: None, number=1000 + 37_777 * trial)
