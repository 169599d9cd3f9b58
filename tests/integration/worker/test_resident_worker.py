"""The worker's story from message to verdict, over storage in memory."""

import time
from collections.abc import Callable

import pytest
from toy_workload import STAGE, ToyOptions
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.glance import glance_of
from dropscore.contracts.measured import ExecutionProfile, Timings
from dropscore.contracts.names import ContainerName, Lane, QueueName
from dropscore.contracts.verdict import Outcome
from gpu_worker.exits import Exit

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]


def items(count: int) -> bytes:
    return b"".join(item(number % 250) for number in range(count))


def test_every_shard_gets_a_part_and_a_verdict_and_its_message_goes(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    data = items(20)
    shards = runs.start("run-1", data, shard_items=3)
    start_worker()

    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)

    assert runs.output("run-1", shards) == scored(data)
    assert {verdict.outcome for verdict in runs.verdicts("run-1", shards)} == {Outcome.DONE}
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    wait_until(lambda: cloud.queue.bodies(QueueName.RUN_EVENTS))


def test_a_verdict_says_who_did_what_how_long_and_counts_in_its_metadata(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(3), shard_items=3)
    start_worker(name="worker-a")
    wait_until(lambda: runs.verdict("run-1", 0))

    verdict = runs.verdict("run-1", 0)
    assert verdict is not None
    assert verdict.worker.worker == "worker-a"
    assert verdict.worker.precision == "float32"
    assert verdict.metrics == {"n": 1}
    assert [time.item for time in verdict.items] == [0, 1, 2]
    assert verdict.model_load_s > 0
    info = cloud.blobs.head(layout.verdict("run-1", 0))
    assert info is not None
    seen = glance_of(info.metadata)
    assert seen is not None
    assert (seen.outcome, seen.items_done, seen.items_failed, seen.attempt) == ("done", 3, 0, 1)
    assert seen.duration_s == pytest.approx(verdict.duration_s, abs=0.001)


def test_the_second_run_on_a_resident_worker_loads_nothing(runs: Runs, start_worker: Start, wait_until: Wait) -> None:
    start_worker()
    runs.start("run-1", items(4), shard_items=2)
    wait_until(lambda: len(runs.verdicts("run-1", 2)) == 2)
    loads = list(STAGE.loads)

    runs.start("run-2", items(4), shard_items=2)
    wait_until(lambda: len(runs.verdicts("run-2", 2)) == 2)

    assert loads == STAGE.loads
    assert [verdict.model_load_s for verdict in runs.verdicts("run-2", 2)] == [0, 0]


def test_urgent_shards_overtake_those_that_came_before(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.admit("slow", items(40))
    runs.admit("fast", items(2))
    runs.send("slow", 40, shard_items=1, lane=Lane.OFFPEAK)
    runs.send("fast", 2, shard_items=1, lane=Lane.URGENT)
    start_worker()

    wait_until(lambda: len(runs.verdicts("slow", 40)) == 40)

    names = cloud.blobs.operations.targets("blob.put")
    order = [name for name in names if "/verdicts/" in name]
    assert sum("fast" in name for name in order[:5]) == 2


def test_lanes_do_not_change_what_is_computed(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    data = items(30)
    outputs = []
    for lanes in (1, 4):
        run_id = f"lanes-{lanes}"
        shards = runs.start(run_id, data, shard_items=7, options=ToyOptions(sequential=True))
        worker = start_worker(lanes=lanes)
        wait_until(lambda run_id=run_id, shards=shards: len(runs.verdicts(run_id, shards)) == shards)
        worker.stop()
        outputs.append(runs.output(run_id, shards))

    assert outputs[0] == outputs[1]


def test_a_sequential_scorer_gets_its_shard_in_order_one_item_at_a_time(
    runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    shards = runs.start("run-1", items(12), shard_items=4, options=ToyOptions(sequential=True))
    start_worker(lanes=3)
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)

    output = runs.output("run-1", shards)
    expected = b"".join(
        bytes((255 - byte + place) % 256 for byte in item(number))
        for number, place in ((number, number % 4) for number in range(12))
    )
    assert output == expected


def test_the_profile_is_probed_once_and_obeyed_by_the_next_worker(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(2), shard_items=2)
    first = start_worker(name="first")
    wait_until(lambda: runs.verdict("run-1", 0))
    first.stop()
    (path,) = [name for name in cloud.blobs.names(ContainerName.MODELS) if "/profiles/" in name]
    stored = cloud.blobs.stored(layout.BlobPath(ContainerName.MODELS, path))
    assert stored is not None
    profile = decode(ExecutionProfile, stored.data)
    changed = profile.model_copy(update={"channels_last": not profile.channels_last})
    cloud.blobs.put(layout.BlobPath(ContainerName.MODELS, path), changed.model_dump_json().encode())

    runs.start("run-2", items(2), shard_items=2)
    start_worker(name="second")
    wait_until(lambda: runs.verdict("run-2", 0))

    verdict = runs.verdict("run-2", 0)
    assert verdict is not None
    assert (verdict.worker.memory_format == "channels_last") is changed.channels_last


def test_timings_are_stored_for_planners(cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait) -> None:
    runs.start("run-1", items(12), shard_items=2)
    start_worker(idle_exit_s=0.2).join()

    (name,) = [name for name in cloud.blobs.names(ContainerName.MODELS) if "/timings/" in name]
    stored = cloud.blobs.stored(layout.BlobPath(ContainerName.MODELS, name))
    assert stored is not None
    timings = decode(Timings, stored.data)
    assert timings.megapixel_s > 0
    assert 1 <= timings.shards <= 6


def test_an_idle_worker_leaves_by_itself_with_exit_code_0(start_worker: Start) -> None:
    worker = start_worker(idle_exit_s=0.1)
    worker.join()
    assert worker.exit is Exit.IDLE


def test_an_idle_worker_asks_storage_at_most_four_times_a_second(
    cloud: MemoryCloud, start_worker: Start, wait_until: Wait
) -> None:
    worker = start_worker(idle_exit_s=3.0)
    wait_until(lambda: worker.desk.lanes.wait_s > 0.3)
    before = cloud.queue.operations.total() + cloud.blobs.operations.total()
    began = cloud.clock.monotonic()
    worker.join()

    asked = cloud.queue.operations.total() + cloud.blobs.operations.total() - before
    assert asked <= 4 * (cloud.clock.monotonic() - began) + 3


def test_an_idle_worker_leaves_the_processor_alone(runs: Runs, start_worker: Start, wait_until: Wait) -> None:
    runs.start("run-1", items(2), shard_items=1)
    start_worker()
    wait_until(lambda: len(runs.verdicts("run-1", 2)) == 2)
    began, used = time.monotonic(), time.process_time()
    wait_until(lambda: time.monotonic() - began > 1.0, every_s=0.1)
    assert time.process_time() - used < 0.15


def test_the_log_of_a_run_is_stored_when_its_shards_are_done(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(4), shard_items=2)
    start_worker(name="worker-a")
    wait_until(lambda: cloud.blobs.stored(layout.log("run-1", "worker-a")))
