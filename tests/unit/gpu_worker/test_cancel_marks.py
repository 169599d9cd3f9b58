"""How often it is asked whether a run was cancelled or suspended."""

import pytest

from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.errors import AccessDeniedError, TransientCloudError
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
