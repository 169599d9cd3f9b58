"""When the orchestration of a run is told to look again."""

import pytest

from dropscore.cloud.memory import ManualClock, MemoryQueue
from dropscore.cloud.operations import Operation
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import RunEvent
from gpu_worker.nudges import LAST_S, NUDGE_S, Nudges


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(clock: ManualClock) -> MemoryQueue:
    return MemoryQueue(clock)


@pytest.fixture
def nudges(queue: MemoryQueue, clock: ManualClock) -> Nudges:
    return Nudges(queue, clock)


def sent(queue: MemoryQueue) -> list[str]:
    return [decode(RunEvent, body).run_id for body in queue.bodies(QueueName.RUN_EVENTS)]


def test_the_last_shard_here_nudges_at_once(nudges, queue):
    nudges.leased("run-1")
    assert nudges.gone("run-1", settled=True)
    assert sent(queue) == ["run-1"]


def test_many_shards_in_a_row_nudge_seldom(nudges, queue, clock):
    for _ in range(102):
        nudges.leased("run-1")
    for _ in range(100):
        nudges.gone("run-1", settled=True)
        clock.advance(NUDGE_S / 10)
    assert 9 <= len(sent(queue)) <= 11


def test_shards_that_are_the_last_here_again_and_again_nudge_once_a_second_and_none_is_missed(nudges, queue, clock):
    """Such as items that are tried alone, after a wait. What settles last is seen within a second."""
    for _ in range(100):
        nudges.leased("run-1")
        nudges.gone("run-1", settled=True)
        clock.advance(0.1)
    assert 10 <= len(sent(queue)) <= 12
    clock.advance(LAST_S)
    seen = len(queue.receive(QueueName.RUN_EVENTS, count=32, lease_s=60))
    assert seen == len(sent(queue))


def test_a_shard_without_a_verdict_nudges_nobody(nudges, queue):
    nudges.leased("run-1")
    assert nudges.gone("run-1", settled=False)
    assert sent(queue) == []


def test_runs_are_counted_apart(nudges, queue):
    for run_id in ("run-1", "run-1", "run-2"):
        nudges.leased(run_id)
    nudges.gone("run-2", settled=True)
    assert sent(queue) == ["run-2"]


def test_a_nudge_that_cannot_be_sent_is_only_told(nudges, queue, caplog):
    def busy(operation: Operation) -> None:
        raise TransientCloudError("busy")

    queue.operations.interrupt = busy
    nudges.leased("run-1")
    assert nudges.gone("run-1", settled=True)
    assert "busy" in caplog.text
