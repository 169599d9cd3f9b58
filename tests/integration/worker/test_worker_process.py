"""The worker as the process that Batch starts, over the storage emulator."""

import signal

import pytest
from toy_workload import Misbehaviour
from world import item, scored

from dropscore.contracts.names import QueueName
from dropscore.contracts.request import RunPolicy

pytestmark = [pytest.mark.azurite, pytest.mark.timeout(180)]

GOOD = b"".join(item(number) for number in range(12))


def test_a_process_scores_a_run_and_leaves_when_idle(remote, start, wait_until, tmp_path, storage):
    shards = remote.start("process-1", GOOD, shard_items=3)
    worker = start(WORKER_IDLE_EXIT_S="0.5")

    assert worker.keeper.wait(60) == 0

    assert remote.output("process-1", shards) == scored(GOOD)
    assert storage.queue.depth(QueueName.SHARDS_NORMAL) == 0
    seen = worker.actions()
    assert seen.index("started") < seen.index("ready") < seen.index("scored") < seen.index("leaving")


def test_sigterm_gives_the_message_back_and_exits_with_143(remote, start, wait_until, tmp_path, storage):
    remote.start("process-2", GOOD + item(Misbehaviour.HELD), shard_items=13)
    worker = start()
    wait_until((tmp_path / "let-go.held").exists, within_s=60)

    worker.keeper.send_signal(signal.SIGTERM)

    assert worker.keeper.wait(20) == 143
    (message,) = storage.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=1)
    assert storage.queue.delete(message)


def test_a_killed_workers_shard_is_finished_by_another_with_the_same_bytes(
    remote, start, wait_until, tmp_path, storage
):
    data = GOOD + item(Misbehaviour.HELD)
    remote.start("process-3", data, shard_items=13, policy=RunPolicy(lease_s=2))
    first = start("w1")
    wait_until((tmp_path / "let-go.held").exists, within_s=60)
    first.keeper.kill()
    first.keeper.wait(20)  # the kernel kills its child with it
    (tmp_path / "let-go").touch()
    start("w2")

    wait_until(lambda: remote.verdict("process-3", 0), within_s=60)

    verdict = remote.verdict("process-3", 0)
    assert verdict.attempt == 2
    assert remote.output("process-3", 1) == scored(data)
