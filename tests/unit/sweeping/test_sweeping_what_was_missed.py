"""What the sweep finds: trigger files, runs, groups, workers, messages of which nobody takes care."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dropscore.cloud.ports import ContainerSpec
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Code
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.orchestration import ContainerPhase
from dropscore.contracts.quarantine import PoisonedMessage
from dropscore.contracts.run import CancelMark, RunStatus
from dropscore.contracts.sweep import SweepDeed

NORMAL = QueueName.SHARDS_NORMAL
ENDED = [status for status in RunStatus if status.ended]
RUN = "film-0123456789abcdef"


@pytest.fixture
def group(yard: Any) -> Callable[[str], None]:
    """Starts a container group."""

    def start(name: str) -> None:
        spec = ContainerSpec(name=name, image="cpu", command=("x",), environment={})
        yard.memory.containers.start(spec)
        yard.memory.containers.become(name, ContainerPhase.RUNNING, log="words\n")

    return start


@pytest.mark.fault(2)
def test_trigger_whose_event_was_lost_has_its_run_within_a_minute(yard: Any) -> None:
    yard.drop("nightly/film ü.json")
    found_s = 0.0
    while not yard.memory.orchestrations.started:
        yard.sweep()
        assert found_s <= 60.0
        yard.clock.advance(30.0)
        found_s += 30.0
    (run_id,) = yard.memory.orchestrations.started
    assert yard.memory.blobs.head(layout.request(run_id)) is not None
    assert [act.deed for report in yard.reports for act in report.acts] == [SweepDeed.TRIGGER_STARTED]


@pytest.mark.fault(2)
def test_trigger_whose_run_is_known_is_left_alone(yard: Any) -> None:
    yard.drop()
    assert [deed for deed, _ in yard.deeds(after_s=30)] == [SweepDeed.TRIGGER_STARTED]
    assert yard.deeds(after_s=1) == []
    assert len(yard.memory.orchestrations.started) == 1


@pytest.mark.fault(2)
def test_new_version_of_a_trigger_is_found_too(yard: Any) -> None:
    yard.drop()
    yard.sweep(after_s=30)
    yard.drop(note="changed")
    assert [deed for deed, _ in yard.deeds(after_s=30)] == [SweepDeed.TRIGGER_STARTED]
    assert len(set(yard.memory.orchestrations.started)) == 2


def test_trigger_that_was_rejected_is_not_started_until_it_changes(yard: Any) -> None:
    yard.drop()
    yard.clock.advance(1)
    yard.memory.blobs.put(layout.rejected("film.json"), b"{}")
    assert yard.deeds(after_s=60) == []
    yard.drop(note="again")
    assert [deed for deed, _ in yard.deeds(after_s=60)] == [SweepDeed.TRIGGER_STARTED]


def test_trigger_that_was_just_dropped_is_left_to_its_event(yard: Any) -> None:
    yard.drop()
    assert yard.deeds(after_s=5) == []


@pytest.mark.fault(52)
def test_run_whose_record_was_written_and_nothing_else_is_started(yard: Any) -> None:
    yard.drop()
    yard.sweep(after_s=30)
    (run_id,) = yard.memory.orchestrations.started
    yard.memory.orchestrations.started.clear()
    yard.memory.blobs.delete(layout.index_entry(run_id))
    assert yard.deeds(after_s=30) == [(SweepDeed.TRIGGER_STARTED, "film.json")]
    assert yard.memory.orchestrations.started == [run_id]


@pytest.mark.fault(37)
@pytest.mark.parametrize("status", [status for status in RunStatus if not status.ended])
def test_run_whose_orchestration_is_gone_is_started_again_under_its_id(yard: Any, status: RunStatus) -> None:
    yard.put_run(RUN, status)
    yard.memory.orchestrations.started.clear()
    assert yard.deeds(after_s=20) == [(SweepDeed.RUN_STARTED_AGAIN, RUN)]
    assert yard.memory.orchestrations.started == [RUN]


@pytest.mark.fault(37)
def test_run_whose_orchestration_has_ended_without_it_is_started_again(yard: Any) -> None:
    yard.put_run(RUN)
    yard.memory.orchestrations.ended.add(RUN)
    assert yard.deeds(after_s=20) == [(SweepDeed.RUN_STARTED_AGAIN, RUN)]


def test_run_under_way_and_ended_run_are_left_alone(yard: Any) -> None:
    yard.put_run(RUN)
    yard.put_run("done-0123456789abcdef", RunStatus.SUCCEEDED, cleaned=True)
    assert yard.deeds(after_s=3600) == []
    assert yard.memory.orchestrations.nudged == []


@pytest.mark.fault(38)
def test_orchestration_that_stands_still_is_ended_and_started_again(yard: Any) -> None:
    yard.put_run(RUN)
    deeds = [deed for _ in range(6) for deed, _ in yard.deeds(after_s=30)]
    assert deeds[:2] == [SweepDeed.RUN_UNSTUCK, SweepDeed.RUN_STARTED_AGAIN]
    assert yard.memory.orchestrations.terminated == [RUN]


@pytest.mark.fault(38)
def test_orchestration_that_moves_is_never_ended(yard: Any) -> None:
    yard.put_run(RUN)
    for number in range(10):
        yard.memory.orchestrations.pulses[RUN] = f"pulse {number}"
        assert yard.deeds(after_s=30) == []


@pytest.mark.fault(51)
def test_run_past_its_deadline_is_told_to_end_with_the_reason(yard: Any) -> None:
    yard.put_run(RUN, deadline_s=100.0)
    assert yard.deeds(after_s=95) == []
    assert yard.deeds(after_s=10) == [(SweepDeed.RUN_PAST_DEADLINE, RUN)]
    mark = decode(CancelMark, yard.memory.blobs.get(layout.cancel_mark(RUN)).data)
    assert mark.failure is not None
    assert mark.failure.code is Code.RUN_DEADLINE
    assert yard.memory.orchestrations.nudged == [RUN]


@pytest.mark.fault(51)
def test_run_past_its_deadline_that_nobody_carries_on_is_carried_to_its_end(yard: Any) -> None:
    yard.put_run(RUN, deadline_s=100.0)
    yard.memory.orchestrations.started.clear()
    yard.sweep(after_s=110)
    assert yard.memory.orchestrations.started == [RUN]


@pytest.mark.fault(23)
@pytest.mark.parametrize("hours", [-10, 10])
def test_deadline_goes_by_storages_time_whatever_a_hosts_clock_said(yard: Any, hours: int) -> None:
    yard.put_run(RUN, deadline_s=300.0, created_at=f"2026-01-01T{12 + hours:02d}:00:00.000000Z")
    late = yard.deeds(after_s=290)
    assert late == []


def test_time_in_which_a_run_was_suspended_does_not_count_towards_its_deadline(yard: Any) -> None:
    yard.put_run(RUN, deadline_s=100.0, suspended_s=1000.0)
    assert yard.deeds(after_s=1050) == []
    yard.put_run(RUN, deadline_s=100.0, suspended_at=yard.clock.now())
    yard.memory.orchestrations.pulses[RUN] = "another"
    assert yard.deeds(after_s=100_000) == []


@pytest.mark.fault(52)
@pytest.mark.parametrize("status", ENDED)
def test_group_of_an_ended_run_is_deleted_and_what_it_printed_kept(yard: Any, group: Any, status: RunStatus) -> None:
    yard.put_run(RUN, status, cleaned=True)
    group(f"stitch-2-{RUN}")
    assert yard.deeds(after_s=60) == [(SweepDeed.GROUP_DELETED, f"stitch-2-{RUN}")]
    assert yard.memory.containers.names() == ()
    assert yard.memory.blobs.get(layout.log(RUN, "stitch-2.console")).data == b"words\n"


@pytest.mark.fault(52)
def test_group_of_a_run_that_does_not_exist_is_deleted(yard: Any, group: Any) -> None:
    group(f"plan-1-{RUN}")
    assert yard.deeds(after_s=60) == [(SweepDeed.GROUP_DELETED, f"plan-1-{RUN}")]
    assert yard.memory.blobs.names(ContainerName.LOGS) == ()


def test_groups_of_live_runs_and_of_names_that_are_not_ours_stay(yard: Any, group: Any) -> None:
    yard.put_run(RUN)
    for name in (f"plan-1-{RUN}", "somebody-elses", "plan-x", f"cook-1-{RUN}"):
        group(name)
    assert yard.deeds(after_s=3600) == []
    assert len(yard.memory.containers.names()) == 4


@pytest.mark.fault(28)
def test_group_of_a_run_that_began_after_the_list_was_read_stays(yard: Any, group: Any) -> None:
    group(f"plan-1-{RUN}")

    def begin(operation: Any) -> None:
        if operation.kind == "container.list":
            yard.memory.containers.operations.interrupt = None
            yard.put_run(RUN, RunStatus.PLANNING)

    yard.memory.containers.operations.interrupt = begin
    assert yard.deeds(after_s=60) == []
    assert yard.memory.containers.names() == (f"plan-1-{RUN}",)


@pytest.mark.fault(52)
def test_workers_are_ended_once_nobody_has_needed_them_for_longer_than_they_stay(yard: Any) -> None:
    yard.memory.pool.admit(1)
    yard.memory.pool.add(["w1", "w2"])
    yard.put_run(RUN, RunStatus.SUCCEEDED, cleaned=True)
    assert yard.deeds(after_s=30) == [(SweepDeed.WORKERS_ENDED, "pool")]
    assert yard.memory.pool.counts().running == 1, "the one that waited for a node is gone, the warm one stays"
    assert yard.deeds(after_s=40) == [(SweepDeed.WORKERS_ENDED, "pool")]
    assert yard.memory.pool.counts().running == 0


def test_workers_stay_while_a_run_is_under_way(yard: Any) -> None:
    yard.memory.pool.admit(1)
    yard.memory.pool.add(["w1", "w2"])
    yard.put_run(RUN, RunStatus.PLANNING)
    yard.memory.orchestrations.pulses[RUN] = "a"
    assert yard.deeds(after_s=10_000) == []


def test_workers_of_a_suspended_run_may_go(yard: Any) -> None:
    yard.memory.pool.admit(1)
    yard.memory.pool.add(["w1"])
    yard.put_run(RUN, suspended_at=yard.clock.now())
    assert (SweepDeed.WORKERS_ENDED, "pool") in yard.deeds(after_s=WARM_ENOUGH_S)


WARM_ENOUGH_S = 70.0


@pytest.mark.fault(52)
def test_messages_of_runs_that_are_over_leave_their_lane_and_live_ones_stay(yard: Any, message: Any) -> None:
    yard.put_run("gone-0123456789abcdef", RunStatus.CANCELLED, cleaned=True)
    yard.put_run(RUN)
    yard.memory.orchestrations.pulses[RUN] = "a"
    for number in range(40):
        yard.memory.queue.send(NORMAL, message("gone-0123456789abcdef" if number % 2 else "never-was", number))
    yard.memory.queue.send(NORMAL, message(RUN, 7))
    assert yard.deeds(after_s=60) == [(SweepDeed.MESSAGES_REMOVED, NORMAL)]
    assert yard.memory.queue.bodies(NORMAL) == [message(RUN, 7)]
    assert yard.reports[-1].acts[0].count == 40


def test_live_messages_are_neither_leased_nor_counted(yard: Any, message: Any) -> None:
    yard.put_run(RUN)
    yard.memory.queue.send(NORMAL, message(RUN))
    yard.sweep(after_s=60)
    assert yard.memory.queue.operations.counts().get("queue.get", 0) == 0
    (found,) = yard.memory.queue.receive(NORMAL, count=32, lease_s=5)
    assert found.dequeue_count == 1


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "junk",
    [b"", b"junk", b"\xff\xfe\x00", b"[" * 200, b'{"schema_version": 9}', b"{" + b" " * 40_000, b"\x00" * 40_000],
)
def test_messages_nobody_can_read_are_put_aside_with_their_reason(yard: Any, junk: bytes) -> None:
    yard.memory.queue.send(NORMAL, junk)
    assert yard.deeds() == [(SweepDeed.MESSAGES_PUT_ASIDE, NORMAL)]
    (kept,) = yard.memory.queue.bodies(QueueName.SHARDS_NORMAL_POISON)
    record = decode(PoisonedMessage, kept)
    assert (record.queue, record.body_bytes, record.worker) == (NORMAL, len(junk), "sweep")
    assert record.reason.startswith("ShardMessage")
    assert yard.memory.queue.bodies(NORMAL) == []


@pytest.mark.fault(44)
def test_message_stays_where_it_is_while_the_poison_queue_refuses(yard: Any) -> None:
    from dropscore.contracts.errors import TransientCloudError

    yard.memory.queue.send(NORMAL, b"junk")

    def refuse(operation: Any) -> None:
        if operation.kind == "queue.put":
            raise TransientCloudError("no answer")

    yard.memory.queue.operations.interrupt = refuse
    report = yard.sweep()
    assert report is not None
    assert len(report.problems) == 1
    assert yard.memory.queue.bodies(NORMAL) == [b"junk"]


@pytest.mark.fault(52)
@pytest.mark.parametrize("status", ENDED)
def test_run_that_ended_uncleaned_is_cleaned_up(yard: Any, group: Any, message: Any, status: RunStatus) -> None:
    yard.put_run(RUN, status)
    group(f"plan-1-{RUN}")
    part, output = layout.part(RUN, 0, "a" * 64, "mp4"), layout.output(RUN, "film.mp4")
    yard.memory.blobs.put(part, b"part")
    yard.memory.blobs.put(output, b"half an output")
    yard.memory.queue.send(NORMAL, message(RUN))
    assert (SweepDeed.RUN_CLEANED, RUN) in yard.deeds(after_s=60)
    assert RunIndex(yard.memory.blobs).is_cleaned(RUN)
    assert yard.memory.containers.names() == ()
    yard.sweep(after_s=60)
    assert yard.memory.queue.bodies(NORMAL) == []
    if status in (RunStatus.SUCCEEDED, RunStatus.CANCELLED):
        assert yard.memory.blobs.head(part) is None
    if status in (RunStatus.FAILED, RunStatus.CANCELLED):
        assert yard.memory.blobs.head(output) is None


def test_run_that_is_being_cleaned_up_by_its_orchestration_is_left_to_it(yard: Any) -> None:
    yard.put_run(RUN, RunStatus.CANCELLED)
    yard.memory.orchestrations.started.append(RUN)
    assert yard.deeds(after_s=60) == []
    yard.memory.orchestrations.ended.add(RUN)
    assert yard.deeds(after_s=1) == [(SweepDeed.RUN_CLEANED, RUN)]


def test_deletion_that_was_begun_is_brought_to_its_end(yard: Any) -> None:
    yard.put_run(RUN, RunStatus.SUCCEEDED, cleaned=True)
    yard.memory.blobs.put(layout.output(RUN, "film.mp4"), b"x")
    state = next(RunIndex(yard.memory.blobs).entries()).state
    RunIndex(yard.memory.blobs).put(state, cleaned=True, deleted=True)
    assert yard.deeds(after_s=60) == [(SweepDeed.RUN_DELETED, RUN)]
    assert yard.memory.blobs.names(ContainerName.OUTPUTS) == ()
    assert json.loads(yard.memory.blobs.get(layout.request(RUN)).data)["deleted_at"] is not None
    assert list(RunIndex(yard.memory.blobs).entries()) == []


def test_the_sign_of_a_worker_that_was_killed_goes_after_an_hour(yard: Any) -> None:
    old, fresh = layout.worker_sign("w1"), layout.worker_sign("w2")
    yard.memory.blobs.put(old, b"")
    yard.sweep(after_s=3000)
    yard.memory.blobs.put(fresh, b"")
    yard.sweep(after_s=1000)
    assert yard.memory.blobs.head(old) is None
    assert yard.memory.blobs.head(fresh) is not None
