import pytest
from durabletask.task import TaskFailedError

from dropscore.contracts.errors import ContractError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.names import Lane, Role
from dropscore.contracts.orchestration import (
    ContainerCheck,
    ContainerPhase,
    ContainerRun,
    ScoreShards,
    VerdictCount,
    WorkersSeen,
)
from dropscore.contracts.request import RunPolicy
from orchestrations import decisions, shard_decisions
from orchestrations.calls import retries
from orchestrations.decisions import ContainerMove
from orchestrations.shard_decisions import ScoreMove
from orchestrations.waiting import longer

POLICY = RunPolicy(poll_first_s=0.05, poll_growth=2.0, poll_most_s=1.0, stall_s=60.0, lease_s=30.0, stall_limit=3)
PHASES = list(ContainerPhase)


def container(**state: object) -> ContainerRun:
    return ContainerRun(run_id="run-1", role=Role.PLAN, policy=POLICY).model_copy(update=state)


def seen(phase: ContainerPhase, **others: object) -> ContainerCheck:
    return ContainerCheck(phase=phase, product_ready=False).model_copy(update=others)


def shards(**state: object) -> ScoreShards:
    order = ScoreShards(run_id="run-1", lane=Lane.NORMAL, policy=POLICY, shards=10, items=100, next_shard=10)
    return order.model_copy(update=state)


def count(settled: int = 0, **others: object) -> VerdictCount:
    counted = VerdictCount(
        settled=settled, items_done=10 * settled, items_failed=0, settled_before=settled, items_before=10 * settled,
        failed_before=0,
    )  # fmt: skip
    return counted.model_copy(update=others)


@pytest.mark.parametrize("phase", PHASES)
def test_existing_product_ends_well_in_every_phase(phase: ContainerPhase) -> None:
    end = decisions.container_end(container(attempt=3), seen(phase, product_ready=True, cancelled=True))
    assert end is not None
    assert end.ok


@pytest.mark.parametrize(
    ("phase", "started", "move"),
    [
        (ContainerPhase.MISSING, False, ContainerMove.START),
        (ContainerPhase.MISSING, True, ContainerMove.AGAIN),
        (ContainerPhase.WAITING, True, ContainerMove.WAIT),
        (ContainerPhase.RUNNING, False, ContainerMove.WAIT),
        (ContainerPhase.SUCCEEDED, True, ContainerMove.AGAIN),
        (ContainerPhase.FAILED, True, ContainerMove.AGAIN),
    ],
)
def test_move_follows_from_phase(phase: ContainerPhase, started: bool, move: ContainerMove) -> None:
    assert decisions.container_move(container(started=started), seen(phase)) is move


def test_next_attempt_starts_its_own_clock() -> None:
    following = decisions.next_attempt(container(attempt=1, elapsed_s=99.0, started=True, wait_s=1.0))
    assert (following.attempt, following.elapsed_s, following.started, following.wait_s) == (2, 0.0, False, 0.0)


def test_new_verdict_ends_every_worry() -> None:
    after = shard_decisions.counted(shards(quiet_s=50.0, stalls=2, look_s=60.0, settled=3), count(4), 1.0)
    assert (after.quiet_s, after.stalls, after.look_s, after.settled, after.elapsed_s) == (0.0, 0, 2.0, 4, 1.0)


def test_count_without_news_adds_to_the_silence() -> None:
    after = shard_decisions.counted(shards(quiet_s=50.0, stalls=2, settled=3), count(3), 1.5)
    assert (after.quiet_s, after.stalls) == (51.5, 2)


def test_a_look_at_the_workers_is_due_anew_after_each() -> None:
    after = shard_decisions.looked(shards(quiet_s=1.0, unlooked_s=30.0))
    assert (after.unlooked_s, shard_decisions.counted(after, count(0), 1.5).unlooked_s) == (0.0, 1.5)


def test_first_look_at_the_workers_is_made_even_after_an_early_verdict() -> None:
    after = shard_decisions.counted(shards(), count(1), 0.1)
    assert shard_decisions.score_move(after, count(1)) is ScoreMove.LOOK


@pytest.mark.parametrize(
    ("new", "in_s", "wait_s"),
    [
        (1, 2.0, 2.0),  # 8 left at 2 s each: twice the longest wait
        (5, 2.5, 0.5),  # 4 left at 2 a second: a quarter of 2 s
        (8, 0.1, 0.05),  # 1 left at 80 a second: the first wait
    ],
)
def test_wait_after_a_verdict_is_a_quarter_of_what_is_left(new: int, in_s: float, wait_s: float) -> None:
    after = shard_decisions.counted(shards(settled=1, look_s=2.0), count(1 + new), in_s)
    assert after.wait_s == pytest.approx(wait_s)


@pytest.mark.parametrize(("quiet_s", "wait_s", "heeded"), [(0.0, 2.0, False), (0.0, 1.0, True), (0.3, 2.0, True)])
def test_nudges_are_heeded_unless_the_end_is_far(quiet_s: float, wait_s: float, heeded: bool) -> None:
    assert shard_decisions.heeds_nudges(shards(quiet_s=quiet_s), wait_s) is heeded


@pytest.mark.parametrize(
    ("state", "counted", "move"),
    [
        ({"look_s": 2.0}, {}, ScoreMove.WAIT),
        ({"look_s": 2.0, "quiet_s": 2.0}, {}, ScoreMove.LOOK),
        ({"look_s": 4.0, "quiet_s": 2.0}, {"queue_empty": True}, ScoreMove.REQUEUE),
        ({"look_s": 4.0, "quiet_s": 1.9}, {"queue_empty": True}, ScoreMove.WAIT),
        ({"look_s": 60.0, "quiet_s": 60.0}, {}, ScoreMove.REQUEUE),
        ({"look_s": 99.0, "quiet_s": 60.0, "next_shard": 9}, {}, ScoreMove.WAIT),
        ({"look_s": 2.0, "unlooked_s": 30.0}, {}, ScoreMove.LOOK),
        ({"look_s": 2.0, "unlooked_s": 29.9}, {}, ScoreMove.WAIT),
        ({"look_s": 60.0, "quiet_s": 4.0, "unlooked_s": 40.0}, {}, ScoreMove.WAIT),
    ],
    ids=["calm", "quiet", "lost", "too early", "stalled", "still enqueueing", "due", "not due", "quiet and looked"],
)
def test_silence_leads_to_a_look_and_then_to_requeueing(
    state: dict[str, object], counted: dict[str, object], move: ScoreMove
) -> None:
    assert shard_decisions.score_move(shards(**state), count(0, **counted)) is move


def test_settled_shards_end_scoring_even_when_cancelled() -> None:
    end = shard_decisions.score_end(shards(), count(10, cancelled=True))
    assert end is not None
    assert not end.cancelled


def test_stalls_end_scoring_only_at_the_limit() -> None:
    workers = WorkersSeen(running=1, waiting=0)
    assert shard_decisions.end_of_stalls(shards(stalls=2), count(), workers) is None
    assert shard_decisions.end_of_stalls(shards(stalls=3), count(), workers) is not None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientCloudError("no answer"), Code.STORAGE_UNAVAILABLE),
        (ZeroDivisionError("bug"), Code.INTERNAL),
    ],
)
def test_failed_step_is_told_apart_by_its_type(error: Exception, code: Code) -> None:
    failure = decisions.failure_of(TaskFailedError("activity failed", error))
    assert failure.code is code
    assert str(error) in (failure.detail or "")


def test_answer_that_does_not_fit_is_an_internal_failure() -> None:
    failure = decisions.failure_of(ContractError("PlanTotals", (("$.shards", "missing"),)))
    assert (failure.code, failure.detail) == (Code.INTERNAL, "PlanTotals: $.shards: missing")


def test_activity_is_tried_as_often_as_the_policy_says() -> None:
    tried = retries(RunPolicy(activity_attempts=7, activity_backoff_s=0.5))
    assert tried.max_number_of_attempts == 7
    assert tried.first_retry_interval.total_seconds() == 0.5


def test_wait_grows_up_to_the_longest() -> None:
    waits = [0.0]
    while waits[-1] < POLICY.poll_most_s:
        waits.append(longer(waits[-1], POLICY))
    assert waits == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8, 1.0])


@pytest.mark.parametrize(("suspended_before", "suspended_now"), [(True, True), (False, True), (True, False)])
def test_time_in_which_a_run_is_suspended_is_no_time(suspended_before: bool, suspended_now: bool) -> None:
    state = shards(elapsed_s=10.0, quiet_s=3.0, suspended=suspended_before)
    after = shard_decisions.counted(state, count(suspended=suspended_now), 3600.0)
    assert (after.elapsed_s, after.quiet_s) == (10.0, 3.0)


@pytest.mark.parametrize("quiet_s", [0.0, 2.0, 3600.0])
def test_nothing_is_begun_for_a_suspended_run_however_quiet_it_is(quiet_s: float) -> None:
    state = shards(quiet_s=quiet_s, look_s=0.0)
    assert shard_decisions.score_move(state, count(suspended=True, queue_empty=True)) is ScoreMove.PAUSE


def test_resumed_run_is_looked_at_as_at_its_beginning() -> None:
    state = shard_decisions.paused(shards(stalls=2, quiet_s=9.0))
    assert shard_decisions.score_move(state, count()) is ScoreMove.RESUME
    after = shard_decisions.resumed(state)
    assert (after.suspended, after.stalls, after.quiet_s, after.wait_s) == (False, 0, 0.0, 0.0)


@pytest.mark.parametrize("phase", PHASES)
def test_suspended_run_starts_no_container_and_leaves_those_there_alone(phase: ContainerPhase) -> None:
    state, check = container(), seen(phase, suspended=True)
    move = decisions.container_move(state, check)
    assert move is not ContainerMove.START
    assert (move is ContainerMove.PAUSE) is (phase is ContainerPhase.MISSING)


def test_suspended_run_can_be_cancelled() -> None:
    end = shard_decisions.score_end(shards(suspended=True), count(cancelled=True, suspended=True))
    assert end is not None
    assert end.cancelled


@pytest.mark.parametrize(
    ("failed", "policy", "told"),
    [
        (0, {"tolerate_items": 0}, None),
        (1, {"tolerate_items": 0}, "1 of 200 items failed for good; this run tolerates 0."),
        (200, {}, None),
        (2, {"tolerate_percent": 1.0}, None),
        (3, {"tolerate_percent": 1.0}, "3 of 200 items failed for good; this run tolerates 1 %."),
        (1, {"tolerate_percent": 0.0}, "1 of 200 items failed for good; this run tolerates 0 %."),
        (5, {"tolerate_items": 4, "tolerate_percent": 50.0}, "5 of 200 items failed for good; this run tolerates 4."),
    ],
)
def test_a_run_tolerates_as_many_failed_items_as_its_policy_says(failed, policy, told):
    why = decisions.too_many(200, failed, RunPolicy(**policy))
    assert (why.message if why else None) == told
    assert why is None or why.code is Code.TOO_MANY_FAILED
