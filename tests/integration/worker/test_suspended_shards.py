"""What a worker does with the shards of a run that is suspended, and when nobody has work for it."""

from collections.abc import Callable

import pytest
from toy_workload import ITEM_BYTES
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.names import QueueName
from gpu_worker.exits import Exit

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]

DATA = b"".join(item(number) for number in range(16))


@pytest.mark.fault(50)
def test_shards_of_a_suspended_run_are_dropped_and_scored_when_they_come_again(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    cloud.blobs.put(layout.suspend_mark("run-1"), b"{}")
    shards = runs.start("run-1", DATA, shard_items=2)
    start_worker()
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    assert runs.verdicts("run-1", shards) == []
    cloud.blobs.delete(layout.suspend_mark("run-1"))
    runs.send("run-1", len(DATA) // ITEM_BYTES, shard_items=2)
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)
    assert runs.output("run-1", shards) == scored(DATA)


@pytest.mark.fault(52)
def test_worker_without_work_leaves_though_nobody_ends_it(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    """Neither the end of the run nor the sweep is needed; junk is no work."""
    shards = runs.start("run-1", DATA, shard_items=2)
    worker = start_worker(idle_exit_s=0.3)
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)
    cloud.queue.send(QueueName.SHARDS_NORMAL, b"no json")
    worker.join()
    assert worker.exit is Exit.IDLE
