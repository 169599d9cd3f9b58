"""How often it is asked whether a run was cancelled or suspended."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.cloud.operations import Operation
from dropscore.cloud.ports import BlobInfo
from dropscore.contracts import layout
from dropscore.contracts.errors import AccessDeniedError, TransientCloudError
from dropscore.contracts.layout import BlobPath
from gpu_worker.runs import CANCEL_CHECK_S, CancelMarks


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def blobs(clock: ManualClock) -> MemoryBlobs:
    return MemoryBlobs(clock)


@pytest.fixture
def marks(blobs: MemoryBlobs, clock: ManualClock) -> CancelMarks:
    return CancelMarks(blobs, clock)


def test_a_mark_is_seen_within_its_time(marks, blobs, clock):
    assert not marks.cancelled("run-1")
    blobs.put(layout.cancel_mark("run-1"), b"{}")
    assert not marks.cancelled("run-1")
    clock.advance(CANCEL_CHECK_S)
    assert marks.cancelled("run-1")


def test_before_a_commit_a_mark_is_seen_at_once(marks, blobs):
    assert not marks.cancelled("run-1")
    blobs.put(layout.cancel_mark("run-1"), b"{}")
    assert marks.cancelled_by_now("run-1")
    assert marks.cancelled("run-1")


class SlowToAnswer(MemoryBlobs):
    """Looks, and says what it saw when it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.looked, self.answer = threading.Event(), threading.Event()

    def head(self, path: BlobPath) -> BlobInfo | None:
        found = super().head(path)
        self.looked.set()
        assert self.answer.wait(30)
        return found


@pytest.mark.fault(50)
def test_who_is_about_to_commit_shares_a_question_with_others_but_no_answer_from_before(clock, wait_until):
    blobs = SlowToAnswer(clock)
    marks, mark = CancelMarks(blobs, clock), layout.cancel_mark("run-1")
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(marks.cancelled_by_now, "run-1")
        assert blobs.looked.wait(30)
        blobs.put(mark, b"{}")
        others = [threads.submit(marks.cancelled_by_now, "run-1") for _ in range(8)]
        known = marks._marks[mark]
        wait_until(lambda: known.coming is not None and len(known.coming._condition._waiters) == 7)
        blobs.answer.set()
        assert not first.result(30)
        assert all(one.result(30) for one in others)
    assert blobs.operations.counts()["blob.head"] == 2


def test_a_question_that_went_wrong_in_no_known_way_keeps_nobody_waiting(marks, blobs):
    def broken(operation: Operation) -> None:
        raise RuntimeError("a bug")

    blobs.operations.interrupt = broken
    with pytest.raises(RuntimeError, match="a bug"):
        marks.cancelled_by_now("run-1")
    blobs.operations.interrupt = None
    assert not marks.cancelled_by_now("run-1")


def test_storage_is_asked_at_most_once_in_that_time(marks, blobs, clock):
    for _ in range(100):
        marks.cancelled("run-1")
        clock.advance(CANCEL_CHECK_S / 50)
    assert blobs.operations.counts()["blob.head"] <= 3


def test_a_run_that_was_rewound_is_not_cancelled_any_more(marks, blobs, clock):
    blobs.put(layout.cancel_mark("run-1"), b"{}")
    assert marks.cancelled("run-1")
    blobs.delete(layout.cancel_mark("run-1"))
    assert marks.cancelled("run-1"), "for a moment longer"
    clock.advance(CANCEL_CHECK_S)
    assert not marks.cancelled("run-1")


def test_a_suspension_is_seen_within_its_time_and_its_end_at_once(marks, blobs, clock):
    assert not marks.suspended("run-1")
    blobs.put(layout.suspend_mark("run-1"), b"{}")
    clock.advance(CANCEL_CHECK_S)
    assert marks.suspended("run-1")
    assert not marks.cancelled("run-1")
    blobs.delete(layout.suspend_mark("run-1"))
    assert not marks.suspended("run-1")


@pytest.mark.parametrize("error", [TransientCloudError("busy"), AccessDeniedError("no right to it")])
def test_while_storage_does_not_answer_nothing_changes(marks, blobs, clock, error):
    def busy(operation: Operation) -> None:
        raise error

    blobs.operations.interrupt = busy
    assert not marks.cancelled("run-1")
