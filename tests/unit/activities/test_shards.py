import pytest
from activity_bench import RUN, Bench

from activities.shards import message_body, trusts_queue
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import ActivityName, Lane, QueueName
from dropscore.contracts.orchestration import (
    CountVerdicts,
    Enqueue,
    Enqueued,
    PlanTotals,
    Requeue,
    Requeued,
    RunRef,
    VerdictCount,
)
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.run import RunStatus

NORMAL = QueueName.SHARDS_NORMAL


@pytest.fixture(autouse=True)
def _running(bench: Bench) -> None:
    bench.ask_for()
    bench.admit()
    bench.enter(RunStatus.PROVISIONING)


def enqueue(bench: Bench, shards: int, next_shard: int = 0) -> int:
    order = Enqueue(run_id=RUN, lane=Lane.NORMAL, next_shard=next_shard, shards=shards)
    return bench.call(ActivityName.ENQUEUE_SHARDS, order, Enqueued).next_shard


def requeue(bench: Bench, shards: int, **fields: int) -> Requeued:
    order = Requeue(run_id=RUN, lane=Lane.NORMAL, settled_before=0, shards=shards, generation=1)
    return bench.call(ActivityName.REQUEUE_MISSING, order.model_copy(update=fields), Requeued)


def count(bench: Bench, shards: int, **fields: object) -> VerdictCount:
    asked = CountVerdicts(run_id=RUN, settled_before=0, items_before=0, failed_before=0, shards=shards)
    return bench.call(ActivityName.COUNT_VERDICTS, asked.model_copy(update=fields), VerdictCount)


def queued(bench: Bench) -> list[tuple[int, int]]:
    messages = [decode(ShardMessage, body) for body in bench.memory.queue.bodies(NORMAL)]
    assert all(message.run_id == RUN for message in messages)
    return [(message.shard.shard_id, message.generation) for message in messages]


def test_plan_totals_reach_the_state(bench: Bench) -> None:
    bench.plan(3, refused=(failure(Code.INPUT_UNREADABLE),))
    totals = bench.call(ActivityName.READ_PLAN, RunRef(run_id=RUN), PlanTotals)
    assert (totals.shards, totals.items, totals.refused, totals.failure) == (3, 30, 1, None)
    assert (bench.state().items_total, bench.state().shards_total) == (30, 3)


def test_plan_without_shards_fails_with_what_was_refused(bench: Bench) -> None:
    why = failure(Code.INPUT_UNREADABLE, "a.mp4 has no video.", input="a.mp4")
    other = failure(Code.INPUT_CORRUPT, "b.mp4 is broken.", input="b.mp4")
    bench.plan(0, refused=(why, other))
    failed = bench.call(ActivityName.READ_PLAN, RunRef(run_id=RUN), PlanTotals).failure
    assert failed == why.model_copy(update={"detail": "b.mp4 is broken."})


@pytest.mark.parametrize(("shards", "code"), [(0, Code.INPUT_UNREADABLE), (100_001, Code.RUN_TOO_LARGE)])
def test_plan_of_nothing_or_too_much_fails(bench: Bench, shards: int, code: Code) -> None:
    index = bench.plan(0).model_copy(update={"shards": shards})
    bench.memory.blobs.put(layout.plan_index(RUN), index.model_dump_json().encode())
    failed = bench.call(ActivityName.READ_PLAN, RunRef(run_id=RUN), PlanTotals).failure
    assert failed is not None
    assert failed.code is code


def test_every_shard_is_on_the_queue_once_over_page_bounds(bench: Bench) -> None:
    bench.plan(2100)
    assert enqueue(bench, 2100) == 2100
    assert queued(bench) == [(shard, 0) for shard in range(2100)]


def test_enqueueing_stops_in_time_and_says_where_to_go_on(bench: Bench) -> None:
    bench.plan(500)
    bench.memory.queue.operations.interrupt = lambda _: bench.clock.advance(0.01)
    reached = enqueue(bench, 500)
    assert reached == 200
    assert enqueue(bench, 500, reached) == 400
    assert queued(bench) == [(shard, 0) for shard in range(400)]


def test_restarted_run_goes_on_enqueueing_where_it_was(bench: Bench) -> None:
    bench.plan(300)
    bench.memory.queue.operations.interrupt = lambda _: bench.clock.advance(0.02)
    assert enqueue(bench, 300) == 100
    bench.memory.queue.operations.interrupt = None
    assert enqueue(bench, 300) == 300
    assert enqueue(bench, 300) == 300
    assert queued(bench) == [(shard, 0) for shard in range(300)]


def test_message_holds_the_shard_itself(bench: Bench) -> None:
    bench.plan(1)
    enqueue(bench, 1)
    message = decode(ShardMessage, bench.memory.queue.bodies(NORMAL)[0])
    assert message.shard == ShardSpec(shard_id=0, input_index=0, first_item=0, items=10)


def test_message_over_two_kilobytes_is_refused() -> None:
    shard = ShardSpec(shard_id=0, input_index=0, first_item=0, items=1, work={"text": "x" * 2048})
    with pytest.raises(ContractError, match="over 2048"):
        message_body(RUN, shard, 0)


def test_only_shards_without_a_verdict_are_queued_again(bench: Bench) -> None:
    bench.plan(6)
    bench.settle(0, 1, 3)
    assert requeue(bench, 6, settled_before=2) == Requeued(shards=3, next_shard=6)
    assert queued(bench) == [(2, 1), (4, 1), (5, 1)]


def test_nothing_is_queued_again_while_as_many_messages_wait(bench: Bench) -> None:
    bench.plan(3)
    enqueue(bench, 3)
    assert requeue(bench, 3).shards == 0
    assert len(queued(bench)) == 3


def test_messages_of_another_run_do_not_hide_a_loss_for_ever(bench: Bench) -> None:
    bench.plan(3)
    for _ in range(10):
        bench.memory.queue.send(NORMAL, b"another run's")
    sent = [requeue(bench, 3, generation=generation).shards for generation in range(1, 9)]
    assert sent == [0, 3, 0, 3, 0, 0, 0, 3]
    assert not trusts_queue(16)


def test_requeueing_goes_on_from_its_cursor(bench: Bench) -> None:
    bench.plan(250)
    bench.memory.queue.operations.interrupt = lambda _: bench.clock.advance(0.02)
    first = requeue(bench, 250)
    assert (first.shards, first.next_shard) == (100, 100)
    second = requeue(bench, 250, next_shard=first.next_shard)
    assert (second.shards, second.next_shard) == (100, 200)
    assert [shard for shard, _ in queued(bench)] == list(range(200))


def test_count_starts_from_its_cursor_and_moves_it_to_the_first_gap(bench: Bench) -> None:
    bench.settle(0, 1, 2, 4, done=9, failed=1)
    first = count(bench, 10)
    assert (first.settled, first.items_done, first.items_failed) == (4, 36, 4)
    assert (first.settled_before, first.items_before, first.failed_before) == (3, 27, 3)
    assert (first.worker_s, first.worker_s_before, bench.state().worker_s) == (4.0, 3.0, 4.0)
    bench.settle(3, 5)
    cursor = ("settled_before", "items_before", "failed_before", "worker_s_before")
    before = {name: getattr(first, name) for name in cursor}
    second = count(bench, 10, **before, settled=first.settled)
    assert (second.settled, second.items_done, second.items_failed, second.settled_before) == (6, 56, 4, 6)
    assert second.worker_s == 6.0


def test_verdict_without_metadata_is_read(bench: Bench) -> None:
    bench.settle(0, done=7, failed=3, metadata=False)
    assert (count(bench, 1).items_done, count(bench, 1).items_failed) == (7, 3)


def test_foreign_blobs_beside_the_verdicts_do_not_count(bench: Bench) -> None:
    bench.settle(0)
    for name in ("000007.json", "notes.json", "000001.json.tmp"):
        bench.memory.blobs.put(layout.BlobPath(layout.verdict(RUN, 0).container, f"{RUN}/verdicts/{name}"), b"")
    assert count(bench, 5).settled == 1


def test_progress_reaches_the_state_and_the_list_and_only_grows(bench: Bench) -> None:
    bench.settle(0, 1, done=9, failed=1)
    count(bench, 10)
    state = bench.state()
    assert (state.status, state.items_done, state.items_failed, state.shards_settled) == (RunStatus.SCORING, 18, 2, 2)
    assert bench.listed()["items_done"] == "18"
    count(bench, 10, settled_before=2, items_before=5, settled=0)
    assert bench.state().items_done == 18


def test_count_without_news_writes_nothing(bench: Bench) -> None:
    bench.settle(0)
    count(bench, 10)
    bench.memory.blobs.operations.clear()
    count(bench, 10, settled=1)
    assert bench.memory.blobs.operations.counts() == {"blob.head": 2, "blob.list": 1}


def test_counting_costs_what_is_new(bench: Bench) -> None:
    bench.settle(*range(50))
    assert count(bench, 100, settled_before=50, items_before=500).items_done == 500


def test_queue_is_looked_at_only_when_asked(bench: Bench) -> None:
    assert not count(bench, 1).queue_empty
    assert count(bench, 1, lane=Lane.NORMAL).queue_empty
    bench.memory.queue.send(NORMAL, b"leased")
    bench.memory.queue.receive(NORMAL, count=1, lease_s=30)
    assert not count(bench, 1, lane=Lane.NORMAL).queue_empty


def test_cancellation_is_told(bench: Bench) -> None:
    bench.memory.blobs.create(layout.cancel_mark(RUN), b"{}")
    assert count(bench, 1).cancelled


def test_of_a_replay_only_what_has_no_verdict_is_queued_and_looked_at_before_it_is_scored(bench: Bench) -> None:
    bench.admit(replay_of="film-fedcba9876543210")
    bench.plan(5)
    bench.settle(0, 2, 3)
    assert enqueue(bench, 5) == 5
    assert queued(bench) == [(1, 1), (4, 1)]
