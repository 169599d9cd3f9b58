"""What is asked of storage before a shard that was delivered before is scored again."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dropscore.cloud.memory import ManualClock, MemoryCloud, memory_cloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import Piece, ShardMessage, ShardSpec
from dropscore.contracts.quarantine import Split
from dropscore.contracts.request import RunPolicy
from gpu_worker.admission import Admission
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.leases import Lease
from gpu_worker.pieces import Pieces
from gpu_worker.runs import CancelMarks
from gpu_worker.will import Will

NORMAL = QueueName.SHARDS_NORMAL
SHARD = ShardSpec(shard_id=0, input_index=0, first_item=0, items=8)


@pytest.fixture
def cloud() -> MemoryCloud:
    return memory_cloud(ManualClock())


@pytest.fixture
def admission(cloud: MemoryCloud) -> Admission:
    context: Any = SimpleNamespace(run=SimpleNamespace(policy=RunPolicy()))
    runs: Any = SimpleNamespace(context=lambda run_id: context)
    marks = CancelMarks(cloud.blobs, cloud.clock)
    return Admission(runs, marks, Pieces(cloud.blobs, cloud.clock), noted=lambda lease_s: None)


@pytest.fixture
def taken_over(cloud: MemoryCloud) -> Callable[..., Job]:
    """A shard whose lease an earlier life of this worker had."""

    def job(*, interrupted: bool) -> Job:
        message, clock = ShardMessage(run_id="run-1", shard=SHARD), cloud.clock
        cloud.queue.send(NORMAL, encode_bytes(message))
        (leased,) = cloud.queue.receive(NORMAL, count=1, lease_s=30)
        now = clock.monotonic()
        lease = Lease(leased, queue=cloud.queue, clock=clock, leased_at=now, lease_s=RunPolicy().lease_s, will=Will())
        lease.tried, lease.interrupted = True, interrupted
        return Job(lease=lease, message=message, started_at=now, started_on=clock.now())

    return job


def looks(cloud: MemoryCloud) -> list[str]:
    """Blobs asked for, but for the marks of the run."""
    seen = [*cloud.blobs.operations.targets("blob.head"), *cloud.blobs.operations.targets("blob.get")]
    return [name for name in seen if "cancel" not in name and "suspend" not in name]


def test_one_that_was_interrupted_in_the_middle_is_neither_settled_nor_divided_and_not_looked_up(
    cloud, admission, taken_over
):
    admission(taken_over(interrupted=True))
    assert looks(cloud) == []


def test_one_that_was_being_settled_is_looked_up(cloud, admission, taken_over):
    cloud.blobs.put(layout.verdict("run-1", 0), b"{}")
    with pytest.raises(StoppedError) as stopped:
        admission(taken_over(interrupted=False))
    assert stopped.value.reason is Stop.SETTLED


def test_one_that_was_divided_is_gone_on_with_and_no_verdict_looked_for(cloud, admission, taken_over):
    whole, half = Piece.of(SHARD), Piece(first_item=0, items=4)
    split = Split(
        run_id="run-1",
        shard_id=0,
        range=whole,
        pieces=(half, Piece(first_item=4, items=4)),
        failure=failure(Code.INTERNAL),
        tries=1,
        cut_from=None,
        at="2026-01-01T00:00:00.000000Z",
    )
    cloud.blobs.create(layout.split("run-1", 0, whole), encode_bytes(split))
    with pytest.raises(StoppedError) as stopped:
        admission(taken_over(interrupted=False))
    assert stopped.value.reason is Stop.DIVIDED
    assert not any("verdicts" in name for name in looks(cloud))
