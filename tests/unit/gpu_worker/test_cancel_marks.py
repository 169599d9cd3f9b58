"""How often it is asked whether a run was cancelled."""

import pytest

from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
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


def test_storage_is_asked_at_most_once_in_that_time(marks, blobs, clock):
    for _ in range(100):
        marks.cancelled("run-1")
        clock.advance(CANCEL_CHECK_S / 50)
    assert blobs.operations.counts()["blob.head"] <= 3


def test_a_cancelled_run_is_never_asked_about_again(marks, blobs, clock):
    blobs.put(layout.cancel_mark("run-1"), b"{}")
    assert marks.cancelled("run-1")
    asked = blobs.operations.total()
    clock.advance(100)
    assert marks.cancelled("run-1")
    assert blobs.operations.total() == asked


def test_while_storage_does_not_answer_nothing_changes(marks, blobs, clock):
    def busy(operation: Operation) -> None:
        raise TransientCloudError("busy")

    blobs.operations.interrupt = busy
    assert not marks.cancelled("run-1")
