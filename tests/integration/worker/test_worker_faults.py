"""What goes wrong with a shard, and what the worker makes of it."""

from collections.abc import Callable
from threading import current_thread, main_thread
from typing import Any

import pytest
from toy_workload import STAGE, Misbehaviour
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.quarantine import Attempt, PoisonedMessage
from dropscore.contracts.request import RunPolicy, RunRecord, RunSource
from dropscore.contracts.run import RunStatus, pending
from dropscore.contracts.verdict import Outcome
from gpu_worker.exits import Exit
from gpu_worker.job import Stop, StoppedError

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]

GOOD = b"".join(item(number) for number in range(4))


ATTEMPTS = layout.attempts_prefix("run-1", 0)
NOTHING: Any = {"body": None, "body_bytes": 0, "body_sha256": None}


def held_item() -> bytes:
    return item(Misbehaviour.HELD)


@pytest.fixture
def warm_worker(runs: Runs, start_worker: Start, wait_until: Wait) -> RunningWorker:
    """A worker of one lane whose model is loaded."""
    runs.start("warm-up", GOOD, shard_items=4)
    worker = start_worker(lanes=1)
    wait_until(lambda: runs.verdict("warm-up", 0))
    return worker


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

    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0, within_s=20)

    assert runs.verdict("run-1", 0) is None


@pytest.mark.fault(50)
@pytest.mark.usefixtures("warm_worker")
def test_nothing_is_committed_once_a_cancellation_was_written(cloud: MemoryCloud, runs: Runs, wait_until: Wait) -> None:
    mark = layout.cancel_mark("run-1")

    def cancel_meanwhile(operation: Operation) -> None:
        if operation.kind == "blob.put" and "run-1/parts/" in operation.target:
            cloud.blobs.create(mark, b"{}")

    cloud.blobs.operations.interrupt = cancel_meanwhile
    runs.start("run-1", GOOD, shard_items=1)
    wait_until(lambda: cloud.blobs.head(mark))
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0, within_s=20)

    assert not [name for name in cloud.blobs.names(ContainerName.RUNS) if name.startswith("run-1/verdicts/")]


@pytest.mark.usefixtures("warm_worker")
def test_a_worker_that_lost_its_lease_publishes_nothing(cloud: MemoryCloud, runs: Runs, wait_until: Wait) -> None:
    def cut_off(operation: Operation) -> None:
        """The worker cannot reach the queue; the test can."""
        if operation.kind in ("queue.update", "queue.get") and current_thread() is not main_thread():
            raise TransientCloudError("busy")

    runs.start("run-1", held_item(), shard_items=1, policy=RunPolicy(lease_s=1))
    wait_until(STAGE.held.is_set)
    cloud.queue.operations.interrupt = cut_off
    wait_until(lambda: cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=60))
    STAGE.let_go.set()
    wait_until(lambda: "run-1" in "".join(cloud.blobs.names(ContainerName.LOGS)))
    assert runs.verdict("run-1", 0) is None
    assert not [name for name in cloud.blobs.names(ContainerName.RUNS) if name.startswith("run-1/parts/")]
    (told,) = [decode(Attempt, cloud.blobs.get(info.path).data) for info in cloud.blobs.list(ATTEMPTS)]
    assert (told.death, told.delivery) == (False, 1)
    assert "too slow" in told.failure.message


@pytest.mark.fault(22)
@pytest.mark.usefixtures("warm_worker")
def test_deliveries_that_came_to_nothing_because_a_worker_was_slow_make_no_item_poison(
    cloud: MemoryCloud, runs: Runs, wait_until: Wait
) -> None:
    """However often its lease ran out: it ends no worker, and nobody has tried it in earnest."""
    lost = []

    def too_slow(operation: Operation) -> None:
        if operation.kind == "blob.put" and "run-1/parts/" in operation.target and len(lost) < 4:
            lost.append(operation)
            raise StoppedError(Stop.LEASE_LOST)

    cloud.blobs.operations.interrupt = too_slow
    runs.start("run-1", item(1), shard_items=1, policy=RunPolicy(lease_s=1, shard_attempts=2))
    wait_until(lambda: runs.verdict("run-1", 0))
    assert len(lost) == 4
    assert runs.output("run-1", 1) == scored(item(1))


@pytest.mark.usefixtures("warm_worker")
def test_leases_are_kept_while_a_shard_takes_long(cloud: MemoryCloud, runs: Runs, wait_until: Wait) -> None:
    runs.start("run-1", held_item(), shard_items=1, policy=RunPolicy(lease_s=1))
    wait_until(STAGE.held.is_set)
    began = cloud.clock.monotonic()
    wait_until(lambda: cloud.clock.monotonic() - began > 1.5)

    assert cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=1) == []
    STAGE.let_go.set()
    wait_until(lambda: runs.verdict("run-1", 0))
    verdict = runs.verdict("run-1", 0)
    assert verdict is not None
    assert verdict.attempt == 1


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


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("status", "kept"),
    [
        (RunStatus.SCORING, True),  # the other verdict may name it, and the run's end deletes it
        (RunStatus.SUCCEEDED, False),
        (RunStatus.SUCCEEDED_WITH_GAPS, True),
        (RunStatus.FAILED, True),
        (RunStatus.CANCELLED, False),
        (None, False),
    ],
)
def test_a_part_written_after_the_end_of_its_run_is_taken_back(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait, status: RunStatus | None, kept: bool
) -> None:
    """A worker stands still just before it writes a part; another settles the shard, and the run ends meanwhile."""
    runs.start("first", GOOD, shard_items=4)
    start_worker()
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    theirs = cloud.blobs.stored(layout.verdict("first", 0))
    assert theirs is not None

    def end_the_run(operation: Operation) -> None:
        if operation.kind == "blob.put" and "run-1/parts/" in operation.target:
            cloud.blobs.operations.interrupt = None
            cloud.blobs.put(layout.verdict("run-1", 0), theirs.data)
            if status is None:
                cloud.blobs.delete(layout.admission("run-1"))
            else:
                record = RunRecord(
                    run_id="run-1", source=RunSource(kind="trigger"), created_at=cloud.clock.now(), **NOTHING
                )
                state = pending(record).model_copy(update={"status": status})
                cloud.blobs.put(layout.state("run-1"), encode_bytes(state))

    cloud.blobs.operations.interrupt = end_the_run
    runs.start("run-1", GOOD, shard_items=4)
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)

    assert cloud.blobs.operations.interrupt is None
    assert len(list(cloud.blobs.list(layout.parts_prefix("run-1")))) == kept


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


def test_a_bug_on_the_item_that_a_new_model_is_tried_on_is_that_items_alone(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    """Two shards wait for one model: the load fails on the first item of one, and the other loads it by itself."""
    policy = RunPolicy(shard_attempts=2, shard_backoff_s=0.02)
    shards = runs.start("run-1", item(Misbehaviour.BUG) + GOOD[48:] + GOOD, shard_items=4, policy=policy)
    start_worker(lanes=2)
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)
    assert [(one.outcome, one.items_failed) for one in runs.verdicts("run-1", shards)] == [
        (Outcome.SPLIT, 1),
        (Outcome.DONE, 0),
    ]
