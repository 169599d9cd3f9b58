"""Laws of the choices orchestrators make: they never go back, they always end, and they end within their limits."""

from itertools import pairwise

import pytest
from any_policy import POLICIES
from hypothesis import given, settings
from hypothesis import strategies as st

from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import Lane, Role
from dropscore.contracts.orchestration import (
    ContainerCheck,
    ContainerPhase,
    ContainerRun,
    PlanTotals,
    ScoreEnd,
    ScoreShards,
    VerdictCount,
    WorkersSeen,
)
from dropscore.contracts.run import REWINDS, TRANSITIONS, RunStatus, may_follow, way_to
from orchestrations import decisions, shard_decisions
from orchestrations.decisions import ContainerMove
from orchestrations.shard_decisions import ScoreMove
from orchestrations.waiting import generation_length, longer

STATUSES = st.sampled_from(RunStatus)
FAILURES = st.none() | st.sampled_from(list(Code)).map(failure)
CHECKS = st.builds(
    ContainerCheck,
    phase=st.sampled_from(ContainerPhase),
    product_ready=st.sampled_from([False, False, False, True]),
    cancelled=st.sampled_from([False] * 9 + [True]),
    suspended=st.sampled_from([False] * 5 + [True]),
    exit_code=st.none() | st.integers(0, 255),
    failure=st.sampled_from([None] * 9 + [failure(Code.INPUT_CORRUPT)]),
)


# --- statuses


@given(STATUSES, STATUSES)
def test_a_way_leads_forward_step_by_step_or_not_at_all(current, wanted):
    way = way_to(current, wanted)
    if not way:
        return
    assert way[-1] is wanted
    for before, after in zip((current, *way), way, strict=False):
        assert after in TRANSITIONS[before]
        assert may_follow(before, after)
    assert not way_to(wanted, current), "there is no way back"
    assert not current.ended


@given(st.lists(STATUSES, max_size=30))
def test_news_in_any_order_never_takes_a_run_back_or_out_of_its_end(news):
    """An orchestration that was started again, and one that is late, tell of statuses that have passed."""
    passed = [RunStatus.PENDING]
    for status in news:
        passed += way_to(passed[-1], status)
    assert len(set(passed)) == len(passed)
    assert [status.ended for status in passed[:-1]] == [False] * (len(passed) - 1)
    assert all(REWINDS.get(status) is not after for status, after in pairwise(passed))


# --- containers


@given(POLICIES, st.lists(st.tuples(CHECKS, st.floats(0, 10_000)), min_size=1, max_size=40))
def test_a_container_is_started_tried_again_and_given_up_within_its_limits(policy, looks):
    """Whatever is seen of it, in whatever order."""
    state = ContainerRun(run_id="run-1", role=Role.PLAN, policy=policy)
    starts = 0
    for check, passed_s in looks:
        end = decisions.container_end(state, check)
        if end is not None:
            assert end.ok == check.product_ready
            assert end.ok or end.cancelled or end.failure is not None
            return
        assert not check.product_ready
        move = decisions.container_move(state, check)
        assert move in (ContainerMove.START, ContainerMove.WAIT, ContainerMove.AGAIN, ContainerMove.PAUSE)
        if move is ContainerMove.START:
            starts += 1
            state = state.model_copy(update={"started": True})
        elif move is ContainerMove.AGAIN:
            state = decisions.next_attempt(state)
        else:
            running = check.phase in (ContainerPhase.WAITING, ContainerPhase.RUNNING)
            update = {"elapsed_s": state.elapsed_s + passed_s, "started": state.started or running}
            state = state.model_copy(update=update)
        assert state.attempt <= policy.container_attempts
        assert starts <= state.attempt


@given(POLICIES, st.sampled_from([ContainerPhase.WAITING, ContainerPhase.RUNNING]))
def test_a_container_that_never_ends_is_given_up(policy, phase):
    state, clock = ContainerRun(run_id="run-1", role=Role.STITCH, policy=policy), 0.0
    step = max(1.0, policy.container_deadline_s / 7)
    while decisions.container_end(state, check := ContainerCheck(phase=phase, product_ready=False)) is None:
        if decisions.container_move(state, check) is ContainerMove.AGAIN:
            state = decisions.next_attempt(state)
        state = state.model_copy(update={"elapsed_s": state.elapsed_s + step, "started": True})
        clock += step
    assert clock <= policy.container_attempts * (policy.container_deadline_s + 2 * step)


# --- shards


def scoring(policy, shards):
    return ScoreShards(
        run_id="run-1", lane=Lane.NORMAL, policy=policy, shards=shards, items=10 * shards, next_shard=shards
    )


def count(settled, **others):
    return VerdictCount(
        settled=settled,
        items_done=10 * settled,
        items_failed=0,
        settled_before=settled,
        items_before=10 * settled,
        failed_before=0,
        **others,
    )


LOOKS = st.tuples(
    st.integers(0, 3), st.sampled_from([False, False, True]), st.sampled_from([False] * 6 + [True]), st.integers(0, 3)
)
"""New verdicts, whether the queue is empty, whether the run is suspended, and how many workers run."""


@settings(max_examples=60)
@given(POLICIES, st.integers(1, 60), st.lists(LOOKS, min_size=1, max_size=12))
def test_scoring_ends_whatever_happens_and_when_its_limits_say(policy, shards, looks):
    """The same looks come again and again: verdicts, silence, suspensions, no workers. Time goes on meanwhile."""
    state, settled, clock = scoring(policy, shards), 0, 0.0
    for turn in range(200_000):
        new, empty, suspended, running = looks[turn % len(looks)]
        if turn > 4 * len(looks):
            suspended = False
        settled = min(shards, settled + new)
        wait_s = state.wait_s or policy.poll_first_s
        seen = count(settled, queue_empty=empty, suspended=suspended)
        before, state = state, shard_decisions.counted(state, seen, wait_s)
        assert state.settled >= before.settled
        assert state.elapsed_s >= before.elapsed_s
        clock += 0.0 if suspended or before.suspended else wait_s  # time in which a run is suspended is no time
        end = shard_decisions.score_end(state, seen)
        move = shard_decisions.score_move(state, seen) if end is None else ScoreMove.END
        if move is ScoreMove.LOOK:
            state = shard_decisions.looked(state)
        elif move is ScoreMove.REQUEUE:
            state = shard_decisions.stalled(state)
            end = shard_decisions.end_of_stalls(state, seen, WorkersSeen(running=running, waiting=0))
        elif move is ScoreMove.PAUSE:
            state = shard_decisions.paused(state)
        elif move is ScoreMove.RESUME:
            state = shard_decisions.resumed(state)
        if end is not None:
            assert end.items_done == 10 * settled
            assert (end.failure is None) == (settled == shards)
            assert clock <= policy.deadline_s + wait_s
            return
        if move is ScoreMove.WAIT:
            state = state.model_copy(update={"wait_s": longer(wait_s, policy)})
    pytest.fail(f"no end after {clock} s: {state}")


@given(POLICIES, st.integers(1, 1000), st.integers(0, 999), st.floats(0, 1e5), st.floats(0, 1e4))
def test_a_new_verdict_ends_every_worry(policy, shards, settled, quiet_s, passed_s):
    settled = min(settled, shards - 1)
    worried = scoring(policy, shards).model_copy(update={"settled": settled, "quiet_s": quiet_s, "stalls": 3})
    calm = shard_decisions.counted(worried, count(settled + 1), passed_s)
    assert (calm.quiet_s, calm.stalls) == (0.0, 0)
    assert 0 <= calm.wait_s <= max(2 * policy.poll_most_s, policy.poll_first_s)


@given(POLICIES, st.floats(0, 1e6))
def test_waits_grow_up_to_the_longest(policy, wait_s):
    after = longer(wait_s, policy)
    assert after <= policy.poll_most_s
    assert after >= min(wait_s, policy.poll_most_s)


@given(POLICIES, st.integers(0, 400), st.integers(0, 400))
def test_a_generation_grows_with_every_round_and_nudge(policy, rounds, nudges):
    length = generation_length(rounds, nudges, policy)
    assert generation_length(rounds + 1, nudges, policy) > length
    assert generation_length(rounds, nudges + 1, policy) > length


# --- ends


@given(POLICIES, st.integers(0, 500), st.integers(0, 500), st.booleans(), FAILURES)
def test_scoring_leads_to_an_end_or_to_stitching_never_to_both(policy, done, failed, cancelled, why):
    totals = PlanTotals(shards=1, items=done + failed)
    score = ScoreEnd(items_done=done, items_failed=failed, cancelled=cancelled, failure=why)
    end = decisions.end_after_scoring("run-1", totals, score, policy)
    tolerated = decisions.too_many(done + failed, failed, policy) is None
    if end is None:
        assert tolerated
        assert done > 0
        success = decisions.end_of_success("run-1", totals, score)
        assert (success.status is RunStatus.SUCCEEDED) == (failed == 0)
    else:
        assert end.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        assert end.failure is not None
        assert (end.status is RunStatus.CANCELLED) == cancelled


@given(POLICIES, st.integers(1, 10_000), st.integers(0, 10_000))
def test_more_failures_are_never_tolerated_better(policy, items, failed):
    failed = min(failed, items)
    if decisions.too_many(items, failed, policy) is not None and failed < items:
        assert decisions.too_many(items, failed + 1, policy) is not None
