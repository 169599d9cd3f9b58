"""What goes wrong with a shard, and what the worker makes of it."""

from collections.abc import Callable

import pytest
from toy_workload import STAGE, Misbehaviour
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.quarantine import PoisonedMessage, Quarantined
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.verdict import Outcome
from gpu_worker.worker import Exit

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]

GOOD = b"".join(item(number) for number in range(4))
FAST_RETRY = RunPolicy(shard_attempts=2)


def held_item() -> bytes:
    return item(Misbehaviour.HELD)


@pytest.fixture
def warm_worker(runs: Runs, start_worker: Start, wait_until: Wait) -> RunningWorker:
    """A worker of one lane whose model is loaded."""
    runs.start("warm-up", GOOD, shard_items=4)
    worker = start_worker(lanes=1)
    wait_until(lambda: runs.verdict("warm-up", 0))
    return worker


def quarantined(cloud: MemoryCloud, run_id: str, shard_id: int) -> Quarantined:
    blob = cloud.blobs.stored(layout.quarantine(run_id, shard_id))
    assert blob is not None
    return decode(Quarantined, blob.data)


def test_a_corrupt_item_fails_its_shard_at_once_and_no_other(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    shards = runs.start("run-1", GOOD + item(1) + item(Misbehaviour.CORRUPT) + GOOD, shard_items=2)
    start_worker()
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)

    outcomes = [verdict.outcome for verdict in runs.verdicts("run-1", shards)]
    assert outcomes == [Outcome.DONE, Outcome.DONE, Outcome.FAILED, Outcome.DONE, Outcome.DONE]
    failed = runs.verdict("run-1", 2)
    assert failed is not None
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.item, failed.attempt) == (Code.INPUT_CORRUPT, 5, 1)
    assert (failed.items_done, failed.items_failed) == (0, 2)
    assert quarantined(cloud, "run-1", 2).input == "run-1.bin"


def test_a_bug_is_tried_again_and_then_shelved_with_its_traceback(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", item(Misbehaviour.BUG), shard_items=1, policy=FAST_RETRY)
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))

    shelved = quarantined(cloud, "run-1", 0)
    assert shelved.failure.code is Code.SHARD_FAILED
    assert shelved.attempts == 2
    assert "ZeroDivisionError: a bug" in (shelved.failure.detail or "")
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)


def test_a_shard_that_ends_its_workers_each_time_is_poison(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", GOOD, shard_items=4, policy=FAST_RETRY)
    for _ in range(2):
        cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=0)
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))

    assert quarantined(cloud, "run-1", 0).failure.code is Code.SHARD_POISON
    assert STAGE.opened == []


def test_malformed_messages_leave_on_first_sight_and_slow_nobody(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    for number in range(200):
        cloud.queue.send(QueueName.SHARDS_NORMAL, b"{no json %d" % number)
    shards = runs.start("run-1", GOOD, shard_items=2)
    start_worker()
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL_POISON) == 200)

    body = decode(PoisonedMessage, cloud.queue.bodies(QueueName.SHARDS_NORMAL_POISON)[0])
    assert body.body == "{no json 0"
    assert "line 1 column 2" in body.reason
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)


def test_a_message_of_a_run_that_does_not_exist_is_put_aside(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.send("no-such-run", 1, shard_items=1)
    start_worker()
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL_POISON) == 1)


def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered(
    runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    data = b"".join(item(Misbehaviour.OUT_OF_MEMORY) for _ in range(16))
    shards = runs.start("run-1", data, shard_items=8)
    start_worker(lanes=1)
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)

    assert runs.output("run-1", shards) == scored(data)
    refused = [batch for batch in STAGE.batches if len(batch) > 1]
    assert 1 <= len(refused) <= 10
    assert all(len(batch) == 1 for batch in STAGE.batches[-8:])


def test_a_lost_device_ends_the_worker_and_gives_the_shard_to_others_at_once(
    cloud: MemoryCloud, runs: Runs, start_worker: Start
) -> None:
    runs.start("run-1", item(Misbehaviour.DEVICE_LOST), shard_items=1)
    worker = start_worker()
    worker.join()

    assert worker.exit is Exit.DEVICE_LOST
    assert runs.verdict("run-1", 0) is None
    assert len(cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=30)) == 1


def test_storage_that_does_not_answer_costs_no_attempt(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    failures = iter(range(2))

    def sometimes(operation: Operation) -> None:
        if operation.target == "inputs/run-1.bin" and operation.kind == "blob.get" and next(failures, None) is not None:
            raise TransientCloudError("busy")

    cloud.blobs.operations.interrupt = sometimes
    runs.start("run-1", GOOD, shard_items=4, policy=RunPolicy(shard_attempts=1))
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))

    verdict = runs.verdict("run-1", 0)
    assert verdict is not None
    assert (verdict.outcome, verdict.attempt) == (Outcome.DONE, 1)


def test_a_part_is_uploaded_in_the_end_when_storage_fails_now_and_then(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    failures = iter(range(2))

    def sometimes(operation: Operation) -> None:
        if "/parts/" in operation.target and next(failures, None) is not None:
            raise TransientCloudError("busy")

    cloud.blobs.operations.interrupt = sometimes
    runs.start("run-1", GOOD, shard_items=4)
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))
    assert runs.output("run-1", 1) == scored(GOOD)


@pytest.mark.usefixtures("warm_worker")
def test_a_cancelled_run_stops_in_flight_and_its_messages_go(cloud: MemoryCloud, runs: Runs, wait_until: Wait) -> None:
    runs.start("run-1", held_item() + GOOD * 5, shard_items=1)
    wait_until(STAGE.held.is_set)
    cloud.blobs.put(layout.cancel_mark("run-1"), b"{}")

    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0, within_s=4)

    assert runs.verdict("run-1", 0) is None


@pytest.mark.usefixtures("warm_worker")
def test_a_worker_that_lost_its_lease_publishes_nothing(cloud: MemoryCloud, runs: Runs, wait_until: Wait) -> None:
    def break_heartbeats(operation: Operation) -> None:
        if operation.kind == "queue.update":
            raise TransientCloudError("busy")

    runs.start("run-1", held_item(), shard_items=1, policy=RunPolicy(lease_s=1))
    wait_until(STAGE.held.is_set)
    cloud.queue.operations.interrupt = break_heartbeats
    wait_until(lambda: cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=60))
    STAGE.let_go.set()
    wait_until(lambda: "run-1" in "".join(cloud.blobs.names(ContainerName.LOGS)))
    assert runs.verdict("run-1", 0) is None
    assert not [name for name in cloud.blobs.names(ContainerName.RUNS) if name.startswith("run-1/parts/")]


@pytest.mark.usefixtures("warm_worker")
def test_leases_are_kept_while_a_shard_takes_long(cloud: MemoryCloud, runs: Runs, wait_until: Wait) -> None:
    runs.start("run-1", held_item(), shard_items=1, policy=RunPolicy(lease_s=1))
    wait_until(STAGE.held.is_set)
    began = cloud.clock.monotonic()
    wait_until(lambda: cloud.clock.monotonic() - began > 1.5)

    assert cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=1) == []
    STAGE.let_go.set()
    wait_until(lambda: runs.verdict("run-1", 0))


def test_a_shard_delivered_again_after_its_verdict_is_not_scored_again(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", GOOD, shard_items=4)
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    opened = list(STAGE.opened)

    runs.send("run-1", 4, shard_items=4)
    cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=0)
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    assert opened == STAGE.opened


def test_two_workers_on_one_shard_leave_one_verdict_and_no_complaint(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    runs.admit("run-1", GOOD)
    for _ in range(2):
        runs.send("run-1", 4, shard_items=4)
    start_worker(name="one")
    start_worker(name="two")
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)

    assert runs.output("run-1", 1) == scored(GOOD)
    assert "E-NONDET" not in caplog.text


def test_another_workers_different_verdict_is_told(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    runs.start("first", GOOD, shard_items=4)
    start_worker(name="one")
    wait_until(lambda: runs.verdict("first", 0))
    other = cloud.blobs.stored(layout.verdict("first", 0))
    assert other is not None

    runs.admit("run-1", item(9) * 4)
    cloud.blobs.put(layout.verdict("run-1", 0), other.data)
    runs.send("run-1", 4, shard_items=4)
    wait_until(lambda: "E-NONDET" in caplog.text)


def test_a_worker_told_to_go_gives_everything_back_at_once(
    cloud: MemoryCloud, runs: Runs, warm_worker: RunningWorker, wait_until: Wait
) -> None:
    shards = runs.start("run-1", held_item() + GOOD, shard_items=1)
    wait_until(STAGE.held.is_set)

    assert warm_worker.stop() is Exit.TERMINATED

    left = shards - len(runs.verdicts("run-1", shards))
    assert len(cloud.queue.receive(QueueName.SHARDS_NORMAL, count=32, lease_s=1)) == left


def test_a_predict_that_hangs_ends_the_worker(cloud: MemoryCloud, runs: Runs, warm_worker: RunningWorker) -> None:
    runs.start("run-1", held_item(), shard_items=1, policy=RunPolicy(item_deadline_s=0.2))
    warm_worker.join()

    assert warm_worker.exit is Exit.HUNG
    assert len(cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=1)) == 1


def test_an_input_shorter_than_planned_fails_its_shard(runs: Runs, start_worker: Start, wait_until: Wait) -> None:
    runs.admit("run-1", GOOD)
    runs.send("run-1", 5, shard_items=5)
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))
    verdict = runs.verdict("run-1", 0)
    assert verdict is not None
    assert verdict.outcome is Outcome.FAILED
