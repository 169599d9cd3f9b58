from typing import Any

import pytest
from driving import Drive, drive, result_of
from scenarios import scoring
from worlds import POLICY, Shards

from dropscore.contracts.base import Contract
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.orchestration import Enqueued, ScoreEnd
from dropscore.contracts.request import RunPolicy


def run(shards: Shards, policy: RunPolicy = POLICY, **world: object) -> Drive:
    return drive("score_shards", scoring(shards.shards, policy), shards.world(**world))


def end_of(done: Drive) -> ScoreEnd:
    return result_of(ScoreEnd, done)


def test_scored_shards_are_summed_up() -> None:
    end = end_of(run(Shards(shards=5, pace_s=0.1, failing=range(2, 3))))
    assert (end.items_done, end.items_failed, end.failure, end.cancelled) == (40, 10, None, False)


def test_run_whose_shards_are_all_settled_asks_for_no_worker() -> None:
    shards = Shards(shards=3, enqueued=3)
    done = run(shards)
    assert end_of(done).items_done == 30
    assert shards.workers_wanted == []
    assert done.elapsed_s < 0.05


def test_resident_worker_gets_its_shard_before_anything_else_is_asked() -> None:
    assert run(Shards(shards=1, pace_s=0.1)).calls()[0] == "enqueue_shards"


def test_no_more_workers_are_wanted_than_shards_are_left() -> None:
    shards = Shards(shards=2, pace_s=0.1)
    run(shards)
    assert [asked["wanted"] for asked in shards.workers_wanted] == [2]


def test_pages_go_out_while_shards_are_being_scored() -> None:
    shards = Shards(shards=3000, page=500, pace_s=0.001)
    done = run(shards, durations_s={"enqueue_shards": 1.5})
    assert end_of(done).items_done == 30_000
    assert done.count("enqueue_shards") == 6
    assert done.elapsed_s < 10
    assert done.count("count_verdicts") > 6


def test_last_verdict_is_seen_at_once_with_a_nudge() -> None:
    done = run(Shards(shards=1, pace_s=7.3), nudges_at_s=(7.3,))
    assert end_of(done).items_done == 10
    assert done.elapsed_s < 7.35


def test_last_verdict_is_seen_within_a_poll_without_a_nudge() -> None:
    done = run(Shards(shards=1, pace_s=7.3))
    assert end_of(done).items_done == 10
    assert done.elapsed_s < 7.3 + POLICY.poll_most_s + 0.05


def test_steady_scoring_costs_about_one_look_a_second() -> None:
    shards = Shards(shards=6000, pace_s=0.01)
    done = run(shards)
    assert end_of(done).items_done == 60_000
    assert shards.counts < 1.3 * 60 + 30


def test_lost_messages_are_replaced_within_seconds_once_the_queue_is_empty() -> None:
    shards = Shards(shards=100, pace_s=0.001, lost=range(40, 60))
    done = run(shards)
    assert end_of(done).items_done == 1000
    assert {shard for shard, _ in shards.again} == set(range(40, 60))
    assert done.elapsed_s < 6


def test_shards_are_requeued_with_a_new_generation_each_time() -> None:
    shards = Shards(shards=4, from_s=25.0, pace_s=0.1)
    done = run(shards)
    assert [asked["generation"] for asked in done.inputs("requeue_missing")] == [1, 2]
    assert end_of(done).items_done == 40


def test_slow_start_is_no_stall_while_messages_wait() -> None:
    shards = Shards(shards=4, from_s=9.0, pace_s=0.1)
    assert run(shards).count("requeue_missing") == 0


def test_many_lost_shards_go_back_in_bounded_steps() -> None:
    shards = Shards(shards=1000, page=50, lost=range(1000))
    done = run(shards)
    assert end_of(done).items_done == 10_000
    assert done.most_events <= 300


def test_run_without_progress_ends_stalled() -> None:
    shards = Shards(shards=4, from_s=float("inf"))
    end = end_of(run(shards))
    assert end.failure is not None
    assert end.failure.code is Code.RUN_STALLED
    assert "4 of 4 shards are left" in end.failure.message


@pytest.mark.fault(32)
def test_run_without_workers_says_why_none_came() -> None:
    end = end_of(run(Shards(shards=4, running=0)))
    assert end.failure is not None
    assert end.failure.code is Code.WORKERS_UNAVAILABLE
    assert end.failure.detail == "quota is 0"


def test_workers_are_looked_after_at_growing_intervals_while_it_is_quiet() -> None:
    shards = Shards(shards=1, pace_s=300.0)
    policy = RunPolicy(stall_s=400.0)
    run(shards, policy)
    assert 7 <= len(shards.workers_wanted) <= 10


def test_every_look_at_the_workers_has_its_own_round() -> None:
    shards = Shards(shards=1, pace_s=60.0)
    run(shards, RunPolicy(stall_s=400.0))
    rounds = [asked["round"] for asked in shards.workers_wanted]
    assert len(rounds) == len(set(rounds)) > 3
    assert max(rounds) < 10**9


def test_deadline_ends_the_run_with_what_is_left() -> None:
    policy = RunPolicy(deadline_s=20.0)
    done = run(Shards(shards=100, pace_s=1.0), policy)
    end = end_of(done)
    assert end.failure is not None
    assert end.failure.code is Code.RUN_DEADLINE
    assert end.items_done > 150
    assert 20 <= done.elapsed_s < 22


def test_cancelled_run_ends_with_what_was_done() -> None:
    done = run(Shards(shards=100, pace_s=1.0, cancelled_at_s=5.0), nudges_at_s=(5.0,))
    assert end_of(done).cancelled
    assert end_of(done).items_done == 50
    assert done.elapsed_s < 5.1


@pytest.mark.parametrize("shards", [1_000, 10_000, 50_000])
def test_history_stays_short_however_many_shards(shards: int) -> None:
    done = run(Shards(shards=shards, pace_s=0.005, page=600), durations_s={"enqueue_shards": 1.5})
    assert end_of(done).items_done == 10 * shards
    assert done.most_events <= 300


def test_storm_of_nudges_stays_within_the_history_of_a_generation() -> None:
    nudges = tuple(step * 0.025 for step in range(1200))
    done = run(Shards(shards=3000, pace_s=0.01), nudges_at_s=nudges)
    assert end_of(done).items_done == 30_000
    assert done.most_events <= 300


@pytest.mark.fault(24)
@pytest.mark.parametrize("name", ["enqueue_shards", "count_verdicts", "ensure_workers", "requeue_missing"])
def test_outage_of_ten_minutes_at_any_step_is_survived(name: str) -> None:
    shards = Shards(shards=2000, pace_s=1.0, page=100)
    world = shards.world()

    def gone(told: dict[str, Any], at: float) -> Contract:
        if 1.0 <= at < 601.0:
            raise TransientCloudError("no answer")
        return world.answers[name](told, at)

    done = drive("score_shards", scoring(2000), type(world)(answers={**world.answers, name: gone}))
    end = end_of(done)
    assert (end.failure, end.items_done) == (None, 20_000)
    assert done.most_events <= 300


def test_enqueueing_that_fails_for_good_is_an_end_with_its_reason() -> None:
    def refuse(_: object, at: float) -> Enqueued:
        raise TransientCloudError("no answer")

    world = Shards(shards=4).world()
    done = drive("score_shards", scoring(4), type(world)(answers={**world.answers, "enqueue_shards": refuse}))
    end = end_of(done)
    assert end.failure is not None
    assert end.failure.code is Code.STORAGE_UNAVAILABLE


@pytest.mark.fault(50)
def test_suspended_run_begins_nothing_until_it_is_resumed() -> None:
    shards = Shards(shards=4, pace_s=0.1, suspended_s=(0.2, 3600.0))
    done = run(shards, nudges_at_s=(3600.0,))
    assert end_of(done).items_done == 40
    assert [at for _, at in shards.again if at < 3600.0] == []
    assert 3600.0 < done.elapsed_s < 3610.0


def test_deadline_does_not_count_while_suspended() -> None:
    shards = Shards(shards=4, pace_s=0.1, suspended_s=(0.2, 3600.0))
    end = end_of(run(shards, POLICY.model_copy(update={"deadline_s": 20.0})))
    assert (end.items_done, end.failure) == (40, None)


def test_waiting_for_a_resumption_costs_few_looks() -> None:
    shards = Shards(shards=4, pace_s=0.1, suspended_s=(0.2, 3600.0))
    done = run(shards)
    assert shards.counts < 3600 / 4
    assert done.most_events < 300
