"""What a worker tells of itself."""

import pytest
import worker_parts

from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory_blobs import MemoryBlobs
from dropscore.cloud.operations import Operation, Operations
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.worker_sign import WorkerSign, sign_of
from gpu_worker.board import Board
from gpu_worker.job import Job
from gpu_worker.signs import EVERY_S, Signs

PATH = layout.worker_sign("w1")


class Desk:
    """A worker's board and its signs over storage in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.operations = Operations(remember=True)
        self.blobs = MemoryBlobs(self.clock, self.operations)
        self.board = Board(self.clock, lanes=2, most_sources=2, most_jobs=3, ended=lambda _: None)
        self.signs = Signs(self.blobs, self.clock, self.board, worker="w1", device="cuda:0 (Größe)")

    def add(self, shard_id: int) -> Job:
        job = worker_parts.job(self.clock, shard_id=shard_id)
        self.board.add(job)
        return job

    def look(self, *, busy: bool, after_s: float = 0.0) -> None:
        self.clock.advance(after_s)
        self.signs.look(busy)

    def told(self) -> WorkerSign | None:
        blob = self.blobs.stored(PATH)
        return None if blob is None else sign_of(blob.info.metadata)

    def writes(self) -> int:
        return self.operations.counts().get("blob.put", 0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_busy_worker_tells_what_it_scores(desk: Desk) -> None:
    jobs = [desk.add(4), desk.add(5)]
    desk.look(busy=True)
    told = desk.told()
    assert told is not None
    assert (told.state, told.device, told.items_per_s) == ("scoring", "cuda:0 (Größe)", None)
    assert [(task.run_id, task.shards) for task in told.tasks] == [(jobs[0].run_id, (4, 5))]


def test_its_rate_counts_items_under_way_and_done_with(desk: Desk) -> None:
    job = desk.add(4)
    desk.look(busy=True)
    job.predicted = 30
    desk.look(busy=True, after_s=EVERY_S)
    told = desk.told()
    assert told is not None
    assert told.items_per_s == pytest.approx(10)
    desk.signs.settled(60)
    desk.look(busy=True, after_s=EVERY_S)
    told = desk.told()
    assert told is not None
    assert told.items_per_s == pytest.approx(15)


def test_it_tells_every_three_seconds_at_most(desk: Desk) -> None:
    desk.add(4)
    for _ in range(120):
        desk.look(busy=True, after_s=0.25)
    assert desk.writes() == 10


def test_it_tells_once_that_it_has_become_idle_and_nothing_before_it_worked(desk: Desk) -> None:
    desk.look(busy=False, after_s=EVERY_S)
    assert desk.told() is None
    desk.look(busy=True, after_s=EVERY_S)
    desk.look(busy=False, after_s=0.25)
    assert desk.writes() == 1
    for _ in range(40):
        desk.look(busy=False, after_s=1.0)
    told = desk.told()
    assert told is not None
    assert (told.state, told.tasks, desk.writes()) == ("idle", (), 2)


def test_a_worker_that_leaves_takes_its_sign_away(desk: Desk) -> None:
    desk.look(busy=True)
    desk.signs.leave()
    assert desk.told() is None


def test_a_sign_that_cannot_be_written_hurts_nobody_and_is_said_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(operation: Operation) -> None:
        raise TransientCloudError(f"no {operation.kind}")

    desk.operations.interrupt = refuse
    for _ in range(5):
        desk.look(busy=True, after_s=EVERY_S)
    desk.signs.leave()
    assert len(caplog.records) == 1
