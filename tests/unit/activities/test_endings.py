import json

import pytest
from activity_bench import RUN, WARM_S, Bench

from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.names import ActivityName, ContainerName, Lane, QueueName, Role
from dropscore.contracts.orchestration import (
    Admission,
    CleanedUp,
    CleanUp,
    ContainerPhase,
    ContainerRef,
    Finish,
    RunEnd,
    RunRef,
)
from dropscore.contracts.plan import RunEvent, ShardMessage, ShardSpec
from dropscore.contracts.receipt import OutputFile, OutputManifest, Receipt, StitchResult
from dropscore.contracts.run import CancelMark, RunStatus

NORMAL = QueueName.SHARDS_NORMAL
VIDEO = OutputFile(name="film.mp4", sha256="0" * 64, size_bytes=9, media_type="video/mp4")
ENDINGS = [status for status in RunStatus if status.ended]


def finish(bench: Bench, status: RunStatus, why: Failure | None = None) -> RunEnd:
    return bench.call(ActivityName.FINISH, Finish(run_id=RUN, status=status, failure=why), RunEnd)


def clean(bench: Bench, status: RunStatus) -> CleanedUp:
    return bench.call(ActivityName.CLEAN_UP, CleanUp(run_id=RUN, lane=Lane.NORMAL, status=status), CleanedUp)


def stitch(bench: Bench, *, published: int = 30, missing: int = 0) -> None:
    bench.memory.blobs.put(layout.output(RUN, "film.mp4"), b"the video")
    result = StitchResult(run_id=RUN, outputs=(VIDEO,), items_published=published, items_missing=missing)
    bench.memory.blobs.put(layout.stitch_result(RUN), encode_bytes(result))


def shard_message(run_id: str, shard_id: int) -> bytes:
    shard = ShardSpec(shard_id=shard_id, input_index=0, first_item=0, items=1)
    return encode_bytes(ShardMessage(run_id=run_id, shard=shard))


@pytest.fixture(autouse=True)
def _stitching(bench: Bench) -> None:
    bench.ask_for()
    bench.enter(RunStatus.STITCHING, items_total=30)


def test_success_is_published_by_its_manifest(bench: Bench) -> None:
    stitch(bench)
    end = finish(bench, RunStatus.SUCCEEDED)
    assert (end.status, end.coverage, end.failure) == (RunStatus.SUCCEEDED, 1.0, None)
    manifest = decode(OutputManifest, bench.memory.blobs.get(layout.output_manifest(RUN)).data)
    assert (manifest.outputs, manifest.items_published, manifest.items_total) == ((VIDEO,), 30, 30)
    assert bench.state().outputs == ("film.mp4",)
    assert bench.listed()["status"] == "succeeded"


def test_state_says_ended_only_once_everything_else_is_there(bench: Bench) -> None:
    stitch(bench)
    bench.memory.blobs.operations.clear()
    finish(bench, RunStatus.SUCCEEDED)
    written = bench.memory.blobs.operations.targets("blob.put")
    assert [name.rpartition("/")[2] for name in written][:3] == ["manifest.json", "receipt.json", "state.json"]


def test_missing_items_make_gaps_whatever_was_asked(bench: Bench) -> None:
    stitch(bench, published=27, missing=3)
    end = finish(bench, RunStatus.SUCCEEDED)
    assert (end.status, end.coverage) == (RunStatus.SUCCEEDED_WITH_GAPS, 0.9)


@pytest.mark.parametrize("published", [None, 0])
def test_success_without_outputs_is_a_failure_and_publishes_nothing(bench: Bench, published: int | None) -> None:
    if published is not None:
        stitch(bench, published=published)
    end = finish(bench, RunStatus.SUCCEEDED)
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert bench.memory.blobs.head(layout.output_manifest(RUN)) is None


def test_receipt_of_the_stitcher_is_kept_and_says_what_the_run_cost(bench: Bench) -> None:
    stitch(bench)
    now = bench.clock.now()
    stitchers = Receipt(
        run_id=RUN,
        status=RunStatus.SUCCEEDED,
        workload="style_transfer",
        created_at=now,
        finished_at=now,
        duration_s=1.0,
        code_version="the stitcher's",
        worker_s=77.5,
    )
    bench.memory.blobs.put(layout.receipt(RUN), encode_bytes(stitchers))
    finish(bench, RunStatus.SUCCEEDED)
    assert decode(Receipt, bench.memory.blobs.get(layout.receipt(RUN)).data) == stitchers
    assert (bench.state().worker_s, bench.listed()["worker_s"]) == (77.5, "77.500")


def test_a_run_that_was_cut_short_says_what_it_cost(bench: Bench) -> None:
    bench.settle(0, 1, 4)
    bench.enter(RunStatus.STITCHING, shards_total=5)
    finish(bench, RunStatus.CANCELLED)
    receipt = decode(Receipt, bench.memory.blobs.get(layout.receipt(RUN)).data)
    assert receipt.worker_s == 3.0
    assert bench.state().worker_s == 3.0


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_every_other_ending_has_a_receipt_with_its_reason(bench: Bench, status: RunStatus) -> None:
    bench.package()
    bench.upload("film.mp4")
    bench.call(ActivityName.ADMIT, RunRef(run_id=RUN), Admission)
    bench.clock.advance(12)
    why = failure(Code.RUN_STALLED)
    finish(bench, status, why)
    receipt = decode(Receipt, bench.memory.blobs.get(layout.receipt(RUN)).data)
    assert (receipt.status, receipt.failures, receipt.outputs) == (status, (why,), ())
    assert (receipt.duration_s, receipt.stages) == (12.0, {"stitching": 12.0})
    assert [one.name for one in receipt.inputs] == ["film.mp4"]
    assert receipt.model is not None


def test_rejected_run_has_a_receipt_though_nothing_was_admitted(bench: Bench) -> None:
    bench.memory.blobs.delete(layout.state(RUN))
    why = failure(Code.INPUT_MISSING)
    assert finish(bench, RunStatus.REJECTED, why).status is RunStatus.REJECTED
    assert decode(Receipt, bench.memory.blobs.get(layout.receipt(RUN)).data).failures == (why,)
    assert (bench.state().status, bench.state().failure) == (RunStatus.REJECTED, why)


def test_ended_run_keeps_its_end(bench: Bench) -> None:
    stitch(bench)
    first = finish(bench, RunStatus.SUCCEEDED)
    assert finish(bench, RunStatus.CANCELLED, failure(Code.RUN_CANCELLED)) == first
    assert bench.state().status is RunStatus.SUCCEEDED


def test_list_of_runs_is_right_after_a_crash_between_state_and_list(bench: Bench) -> None:
    bench.enter(RunStatus.FAILED)
    finish(bench, RunStatus.FAILED)
    assert bench.listed()["status"] == "failed"


def test_parts_go_after_success_and_everything_else_stays(bench: Bench) -> None:
    stitch(bench)
    bench.settle(0)
    for number in range(40):
        bench.memory.blobs.put(layout.part(RUN, number, "a" * 64, "mp4"), b"part")
    finish(bench, RunStatus.SUCCEEDED)
    assert clean(bench, RunStatus.SUCCEEDED).done
    left = bench.memory.blobs.names(ContainerName.RUNS)
    assert not any("/parts/" in name for name in left)
    assert layout.verdict(RUN, 0).name in left
    assert layout.output(RUN, "film.mp4").name in bench.memory.blobs.names(ContainerName.OUTPUTS)


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED_WITH_GAPS, RunStatus.FAILED])
def test_parts_are_kept_where_another_try_may_use_them(bench: Bench, status: RunStatus) -> None:
    part = layout.part(RUN, 0, "a" * 64, "mp4")
    bench.memory.blobs.put(part, b"part")
    clean(bench, status)
    assert bench.memory.blobs.head(part) is not None


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_unpublished_outputs_are_deleted(bench: Bench, status: RunStatus) -> None:
    stitch(bench)
    bench.memory.blobs.put(layout.output("film-fedcba9876543210", "other.mp4"), b"another run's")
    assert clean(bench, status).done
    assert bench.memory.blobs.names(ContainerName.OUTPUTS) == ("film-fedcba9876543210/other.mp4",)


def test_deleting_stops_in_time_and_goes_on(bench: Bench) -> None:
    for number in range(500):
        bench.memory.blobs.put(layout.part(RUN, number, "a" * 64, "mp4"), b"part")
    bench.memory.blobs.operations.interrupt = lambda _: bench.clock.advance(0.01)
    assert not clean(bench, RunStatus.SUCCEEDED).done
    steps = 1
    while not clean(bench, RunStatus.SUCCEEDED).done:
        steps += 1
        assert steps < 20
    assert not any("/parts/" in name for name in bench.memory.blobs.names(ContainerName.RUNS))


@pytest.mark.parametrize("status", ENDINGS)
def test_container_groups_go_with_their_output_kept(bench: Bench, status: RunStatus) -> None:
    for role, attempt in ((Role.PLAN, 1), (Role.STITCH, 3)):
        bench.call(ActivityName.START_CONTAINER, ContainerRef(run_id=RUN, role=role, attempt=attempt), RunRef)
    bench.memory.containers.become(f"stitch-3-{RUN}", ContainerPhase.FAILED, log="why")
    other = ContainerRef(run_id=f"a-{RUN}", role=Role.PLAN, attempt=1)
    bench.call(ActivityName.START_CONTAINER, other, RunRef)
    assert clean(bench, status).done
    assert bench.memory.containers.names() == (f"plan-1-a-{RUN}",)
    assert bench.memory.blobs.get(layout.log(RUN, "stitch-3.console")).data == b"why"


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_messages_of_the_run_leave_its_lane_and_others_stay(bench: Bench, status: RunStatus) -> None:
    for number in range(100):
        bench.memory.queue.send(NORMAL, shard_message(RUN if number % 2 else "other-run", number))
    bench.memory.queue.send(NORMAL, b"unreadable")
    while not clean(bench, status).done:
        pass
    bodies = bench.memory.queue.bodies(NORMAL)
    assert b"unreadable" in bodies
    assert [run for run in runs_on_lane_of(bodies) if run != "other-run"] == []
    assert len(bodies) == 51


def test_draining_counts_no_delivery_against_other_runs(bench: Bench) -> None:
    bench.memory.queue.send(NORMAL, shard_message("other-run", 1))
    bench.memory.queue.send(NORMAL, shard_message(RUN, 1))
    while not clean(bench, RunStatus.CANCELLED).done:
        pass
    (message,) = bench.memory.queue.receive(NORMAL, count=32, lease_s=30)
    assert message.dequeue_count == 1


def test_draining_keeps_the_count_of_a_message_that_was_delivered_before(bench: Bench) -> None:
    bench.memory.queue.send(NORMAL, shard_message("other-run", 1))
    (message,) = bench.memory.queue.receive(NORMAL, count=1, lease_s=30)
    bench.memory.queue.extend(message, lease_s=0)
    clean(bench, RunStatus.CANCELLED)
    (again,) = bench.memory.queue.receive(NORMAL, count=1, lease_s=30)
    assert again.dequeue_count >= 2


def test_message_in_a_workers_hands_is_waited_for_but_not_for_ever(bench: Bench) -> None:
    finish(bench, RunStatus.CANCELLED, failure(Code.RUN_CANCELLED))
    bench.memory.queue.send(NORMAL, shard_message(RUN, 1))
    bench.memory.queue.receive(NORMAL, count=1, lease_s=3600)
    assert not clean(bench, RunStatus.CANCELLED).done
    bench.clock.advance(61)
    assert clean(bench, RunStatus.CANCELLED).done


def test_ended_run_is_marked_so_that_workers_drop_it(bench: Bench) -> None:
    clean(bench, RunStatus.FAILED)
    assert bench.memory.blobs.head(layout.cancel_mark(RUN)) is not None


@pytest.mark.parametrize(
    ("status", "left"),
    [(RunStatus.CANCELLED, []), (RunStatus.FAILED, ["running"]), (RunStatus.SUCCEEDED, ["running"])],
)
def test_workers_for_nobody_are_ended(bench: Bench, status: RunStatus, left: list[str]) -> None:
    bench.memory.pool.admit(1)
    bench.memory.pool.add(["w1", "w2"])
    clean(bench, status)
    assert [state.value for state in bench.memory.pool.tasks.values() if state.value != "ended"] == left


def test_workers_stay_while_another_run_has_messages(bench: Bench) -> None:
    bench.memory.pool.admit(1)
    bench.memory.pool.add(["w1", "w2"])
    bench.memory.queue.send(QueueName.SHARDS_OFFPEAK, shard_message("other-run", 1))
    assert clean(bench, RunStatus.CANCELLED).done
    assert [state.value for state in bench.memory.pool.tasks.values()] == ["running", "waiting"]


def test_rejected_run_has_nothing_to_clean_but_containers(bench: Bench) -> None:
    bench.memory.queue.operations.clear()
    assert clean(bench, RunStatus.REJECTED).done
    assert bench.memory.queue.operations.total() == 0


@pytest.mark.parametrize("status", ENDINGS)
def test_cleaning_up_twice_changes_nothing(bench: Bench, status: RunStatus) -> None:
    assert clean(bench, status).done
    assert clean(bench, status).done


def runs_on_lane_of(bodies: list[bytes]) -> list[str]:
    return [json.loads(body)["run_id"] for body in bodies if body.startswith(b"{")]


@pytest.mark.parametrize("status", ENDINGS)
def test_run_that_was_cleaned_up_is_noted_in_the_list_of_runs(bench: Bench, status: RunStatus) -> None:
    bench.enter(status)
    bench.memory.queue.send(NORMAL, shard_message(RUN, 1))
    while not clean(bench, status).done:
        assert not RunIndex(bench.memory.blobs).is_cleaned(RUN)
    assert RunIndex(bench.memory.blobs).is_cleaned(RUN)


def test_run_that_has_not_ended_is_never_noted_as_cleaned(bench: Bench) -> None:
    assert clean(bench, RunStatus.FAILED).done
    assert not RunIndex(bench.memory.blobs).is_cleaned(RUN)


def test_run_stopped_by_nobodys_wish_failed_with_the_marks_reason(bench: Bench) -> None:
    why = failure(Code.RUN_DEADLINE)
    mark = CancelMark(run_id=RUN, at=bench.clock.now(), failure=why)
    bench.memory.blobs.put(layout.cancel_mark(RUN), encode_bytes(mark))
    end = finish(bench, RunStatus.CANCELLED, failure(Code.RUN_CANCELLED))
    assert (end.status, end.failure) == (RunStatus.FAILED, why)


def test_suspension_ends_with_the_run(bench: Bench) -> None:
    bench.enter(RunStatus.CANCELLED, suspended_at=bench.clock.now())
    bench.memory.blobs.put(layout.suspend_mark(RUN), b"{}")
    clean(bench, RunStatus.CANCELLED)
    assert bench.memory.blobs.head(layout.suspend_mark(RUN)) is None


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS, RunStatus.FAILED])
def test_warm_workers_are_looked_after_when_they_should_have_left(warm: Bench, status: RunStatus) -> None:
    warm.memory.pool.admit(1)
    warm.memory.pool.add(["w1"])
    warm.enter(status)
    assert clean(warm, status).done
    assert warm.memory.queue.receive(QueueName.RUN_EVENTS, count=1, lease_s=1) == []
    warm.clock.advance(WARM_S + 6)
    (later,) = warm.memory.queue.receive(QueueName.RUN_EVENTS, count=1, lease_s=1)
    assert decode(RunEvent, later.body).look_at_workers


def test_nobody_is_looked_after_where_no_worker_is_left(warm: Bench) -> None:
    clean(warm, RunStatus.SUCCEEDED)
    assert warm.memory.queue.bodies(QueueName.RUN_EVENTS) == []
