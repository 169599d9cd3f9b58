"""Whole runs: real orchestrators, activities, codec and durable backend; storage, containers and workers in memory."""

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from stand_ins import ITEMS
from whole_runs import QUICK, House, request

from dropscore.cloud.ports import BlobInfo
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.receipt import OutputManifest
from dropscore.contracts.run import RunStatus


def test_dropped_trigger_becomes_published_outputs(house: House) -> None:
    house.work()
    run_id = house.drop()
    end = house.end_of(run_id)
    assert (end.status, end.coverage, end.failure) == (RunStatus.SUCCEEDED, 1.0, None)
    manifest = decode(OutputManifest, house.memory.blobs.get(layout.output_manifest(run_id)).data)
    assert manifest.items_published == 5 * ITEMS
    assert house.output(run_id) == b"0\n1\n2\n3\n4\n"
    stages = [stage.status.value for stage in house.state(run_id).stages]
    assert stages == ["pending", "planning", "provisioning", "scoring", "stitching", "succeeded"]
    assert house.left_behind(run_id) == []
    assert not any("/parts/" in name for name in house.blobs(ContainerName.RUNS))


def test_progress_of_a_run_is_seen_while_it_is_scored(house: House) -> None:
    house.containers.shards = 30
    house.work(takes_s=0.02)
    run_id = house.drop()
    house.wait_until_status(run_id, "scoring")
    seen = {house.state(run_id).items_done for _ in iter(lambda: house.state(run_id).status == "scoring", False)}
    house.end_of(run_id)
    assert len(seen) > 3
    assert max(seen) <= 30 * ITEMS


def test_same_trigger_told_many_times_at_once_is_one_run(house: House) -> None:
    house.work()
    house.memory.blobs.put(layout.trigger("film.json"), b"film")
    house.memory.blobs.put(layout.input_file("film/1.png"), b"x")
    runs: set[str] = set()
    threads = [threading.Thread(target=lambda: runs.add(house.notify())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (run_id,) = runs
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.containers.carried == ["plan", "stitch"]
    assert house.notify() == run_id
    assert house.containers.carried == ["plan", "stitch"]


@pytest.mark.fault(10)
def test_bad_request_ends_rejected_without_a_container(house: House) -> None:
    run_id = house.drop(request(options={"crf": 99}))
    end = house.end_of(run_id)
    assert end.status is RunStatus.REJECTED
    assert end.failure is not None
    assert end.failure.field == "options.crf"
    assert house.blobs(ContainerName.REJECTED) == ("film.json",)
    assert house.containers.carried == []


def test_failed_shards_are_gaps_and_their_neighbours_publish(house: House) -> None:
    house.work(failing=frozenset({1, 3}))
    run_id = house.drop()
    end = house.end_of(run_id)
    assert (end.status, end.coverage) == (RunStatus.SUCCEEDED_WITH_GAPS, 0.6)
    assert house.output(run_id) == b"0\n2\n4\n"


def test_run_of_which_nothing_could_be_scored_fails_and_publishes_nothing(house: House) -> None:
    house.work(failing=frozenset(range(5)))
    run_id = house.drop()
    assert house.end_of(run_id).status is RunStatus.FAILED
    assert house.blobs(ContainerName.OUTPUTS) == ()


@pytest.mark.fault(30)
def test_containers_that_die_are_tried_again(house: House) -> None:
    house.work()
    house.containers.exits = {"plan": [1], "stitch": [137, 1]}
    run_id = house.drop()
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.containers.carried == ["plan", "plan", "stitch", "stitch", "stitch"]
    assert house.left_behind(run_id) == []


def test_input_that_cannot_be_planned_ends_the_run_with_the_planners_reason(house: House) -> None:
    house.containers.failure = failure(Code.INPUT_UNREADABLE, "film.mp4 has no video.", input="film.mp4")
    run_id = house.drop()
    end = house.end_of(run_id)
    assert end.status is RunStatus.FAILED
    assert end.failure == house.containers.failure
    assert house.containers.carried == ["plan"]


def test_worker_that_dies_costs_its_shards_one_lease(house: House) -> None:
    house.work(dying=frozenset({1, 4}))
    run_id = house.drop()
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.output(run_id) == b"0\n1\n2\n3\n4\n"


def test_lost_messages_are_made_good(house: House) -> None:
    run_id = house.drop()
    house.wait_until_status(run_id, "provisioning", "scoring")
    lost = 0
    while lost < 5:
        for message in house.memory.queue.receive(QueueName.SHARDS_NORMAL, count=32, lease_s=30):
            lost += house.memory.queue.delete(message)
    house.work()
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.output(run_id) == b"0\n1\n2\n3\n4\n"


@pytest.mark.fault(28)
def test_listing_that_is_behind_or_lacks_something_for_a_while_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, first_seen = house.memory.blobs.list, {}

    def late(prefix: BlobPath, **how: Any) -> Iterator[BlobInfo]:
        """A listing that shows verdicts half a second late, and every second one a second late."""
        for info in listed(prefix, **how):
            since = time.monotonic() - first_seen.setdefault(info.path, time.monotonic())
            if "/verdicts/" not in info.path.name or since > 0.5 + 0.5 * (int(info.path.name[-11:-5]) % 2):
                yield info

    monkeypatch.setattr(house.memory.blobs, "list", late)
    house.containers.shards = 30
    house.work()
    run_id = house.drop()
    end = house.end_of(run_id)
    assert (end.status, end.coverage) == (RunStatus.SUCCEEDED, 1.0)
    assert len(house.output(run_id).splitlines()) == 30


@pytest.mark.parametrize("status", ["planning", "scoring", "stitching"])
def test_cancelled_run_leaves_nothing_behind(house: House, status: str) -> None:
    house.containers.shards = 200
    house.containers.takes_s = 0.5
    house.work(takes_s=0.005)
    run_id = house.drop(request(policy=QUICK | {"max_workers": 4}))
    house.wait_until_status(run_id, status)
    house.cancel(run_id)
    assert house.end_of(run_id).status is RunStatus.CANCELLED
    house.memory.containers.join(5)
    assert house.left_behind(run_id) == []
    assert [state.value for state in house.memory.pool.tasks.values() if state.value == "running"] == []
    assert house.blobs(ContainerName.OUTPUTS) == ()


def test_cancelling_one_run_leaves_the_other_alone(house: House) -> None:
    house.containers.shards = 60
    first, second = house.drop(name="one.json"), house.drop(name="two.json")
    for run_id in (first, second):
        house.wait_until_status(run_id, "provisioning", "scoring")
    house.cancel(first)
    assert house.end_of(first).status is RunStatus.CANCELLED
    house.work()
    assert house.end_of(second).status is RunStatus.SUCCEEDED
    assert len(house.output(second).splitlines()) == 60


@pytest.mark.parametrize(
    "statuses", [("pending", "planning"), ("planning",), ("provisioning", "scoring"), ("scoring",), ("stitching",)]
)
def test_run_goes_on_where_it_was_after_the_host_is_killed(house: House, statuses: tuple[str, ...]) -> None:
    house.containers.shards = 20
    house.containers.takes_s = 0.05
    worker = house.work(takes_s=0.005)
    run_id = house.drop()
    house.wait_until_status(run_id, *statuses)
    house.restart(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert house.output(run_id) == b"".join(f"{shard}\n".encode() for shard in range(20))
    assert sorted(worker.scored) == list(range(20))
    assert house.left_behind(run_id) == []


def test_run_that_is_killed_again_and_again_still_ends(house: House) -> None:
    house.containers.shards = 40
    house.work(takes_s=0.01)
    run_id = house.drop()
    for _ in range(4):
        threading.Event().wait(0.08)
        house.restart(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert len(house.output(run_id).splitlines()) == 40


def test_ended_run_that_is_started_again_ends_the_same_at_once(house: House) -> None:
    house.work()
    run_id = house.drop()
    first = house.end_of(run_id)
    house.restart(run_id)
    assert house.end_of(run_id) == first
    assert house.containers.carried == ["plan", "stitch"]


@pytest.mark.parametrize("seed", [2, 3])
def test_run_survives_a_storage_that_often_does_not_answer(house: House, seed: int) -> None:
    house.containers.shards = 10
    chance = random.Random(seed)
    lock = threading.Lock()

    def fail(operation: Any) -> None:
        with lock:
            unlucky = chance.random() < 0.04
        if unlucky and threading.current_thread().name not in ("worker", "MainThread", *house.memory.containers.specs):
            raise TransientCloudError(f"no answer (seed {seed})")

    house.work()
    house.memory.blobs.operations.interrupt = fail
    run_id = house.drop(request(policy=QUICK | {"activity_attempts": 10}))
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert len(house.output(run_id).splitlines()) == 10


def test_storage_that_never_answers_ends_the_run_and_says_so(house: House) -> None:
    def fail(operation: Any) -> None:
        if "/plan/index.json" in operation.target and "container" not in operation.kind:
            raise TransientCloudError("no answer")

    house.memory.blobs.operations.interrupt = fail
    run_id = house.drop(request(policy=QUICK | {"activity_attempts": 2, "patience_s": 1.0}))
    end = house.end_of(run_id)
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert end.failure.code is Code.STORAGE_UNAVAILABLE
    assert house.left_behind(run_id) == []


@pytest.mark.fault(33)
def test_run_goes_on_with_fewer_workers_than_it_asked_for(house: House) -> None:
    house.memory.pool.admit(1)
    house.memory.pool.doubt = "The pool got 1 of 4 nodes."
    house.containers.shards = 40
    house.work(takes_s=0.01)
    run_id = house.drop(request(policy=QUICK | {"max_workers": 4}))
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert len(house.output(run_id).splitlines()) == 40
    assert house.left_behind(run_id) == []


@pytest.mark.fault(32)
def test_run_without_workers_ends_saying_why(house: House) -> None:
    house.memory.pool.admit(-1)
    house.memory.pool.doubt = "The quota of cores is used up."
    run_id = house.drop(request(policy=QUICK | {"stall_s": 0.2, "stall_limit": 2}))
    end = house.end_of(run_id)
    assert end.failure is not None
    assert end.failure.code is Code.WORKERS_UNAVAILABLE
    assert "quota of cores" in (end.failure.detail or "")
    assert house.left_behind(run_id) == []


def test_thousands_of_shards_finish_with_a_short_history(house: House) -> None:
    house.containers.shards = 3000
    house.work()
    run_id = house.drop()
    assert house.end_of(run_id, within_s=60).coverage == 1.0
    assert house.host.backend.longest_history <= 300


def test_run_is_carried_by_news_alone_when_it_hardly_polls(house: House) -> None:
    house.containers.takes_s = 0.2
    house.listen()
    house.work(takes_s=0.1)
    run_id = house.drop(request(policy=QUICK | {"poll_first_s": 60.0, "poll_most_s": 60.0, "stall_s": 60.0}))
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED


def test_nudging_a_run_that_does_not_exist_does_nothing(house: House) -> None:
    house.host.do(lambda runs: runs.nudge("nothing-here"))
