"""Every choice the orchestrators make, as pure functions: of what is known to what happens next."""

from enum import StrEnum

from durabletask.task import TaskFailedError

from dropscore.contracts.errors import AccessDeniedError, ContractError, TransientCloudError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.names import Role
from dropscore.contracts.orchestration import (
    Admission,
    ContainerCheck,
    ContainerEnd,
    ContainerPhase,
    ContainerRun,
    Finish,
    PlanTotals,
    ScoreEnd,
    ScoreShards,
    VerdictCount,
    WorkersSeen,
)
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.run import RunStatus

LOOK_AFTER_S = 2.0
"""It may be quiet for this long before the workers, and an empty queue, are looked at."""


def failure_of(error: TaskFailedError | ContractError) -> Failure:
    """What a user reads of a step that still failed after its retries, or answered what nobody understands."""
    if isinstance(error, ContractError):
        return failure(Code.INTERNAL, detail=str(error))
    detail = f"{error.details.error_type}: {error.details.message}"
    for kind, code in _CLOUD_FAILURES:
        if error.details.is_caused_by(kind.__name__):
            return failure(code, detail=detail)
    return failure(Code.INTERNAL, detail=detail)


_CLOUD_FAILURES = ((TransientCloudError, Code.STORAGE_UNAVAILABLE), (AccessDeniedError, Code.STORAGE_REFUSED))


def is_transient(error: TaskFailedError) -> bool:
    """Whether a step failed because a service did not answer."""
    return error.details.is_caused_by(TransientCloudError.__name__)


# --- a run -----------------------------------------------------------------------------------------------------------


def end_at_admission(admission: Admission) -> Finish | None:
    """The end of a run that is not to be scored: it ended before, is cancelled or refused."""
    run_id = admission.run_id
    if admission.ended is not None:
        return Finish(run_id=run_id, status=admission.ended, failure=admission.failure)
    if admission.cancelled:
        return cancelled(run_id)
    if admission.failure is not None:
        return Finish(run_id=run_id, status=RunStatus.REJECTED, failure=admission.failure)
    return None


def end_after_container(run_id: str, end: ContainerEnd) -> Finish | None:
    """The end of a run whose container gave nothing to go on with."""
    if end.ok:
        return None
    if end.cancelled:
        return cancelled(run_id)
    return failed(run_id, end.failure or failure(Code.CONTAINER_FAILED))


def end_after_plan(run_id: str, totals: PlanTotals) -> Finish | None:
    """The end of a run whose plan leaves nothing to score."""
    return None if totals.failure is None else failed(run_id, totals.failure)


def end_after_scoring(run_id: str, end: ScoreEnd) -> Finish | None:
    """The end of a run whose shards gave nothing to stitch."""
    if end.cancelled:
        return cancelled(run_id)
    if end.failure is not None:
        return failed(run_id, end.failure)
    if end.items_done == 0:
        message = f"None of the {end.items_failed} items could be scored."
        return failed(run_id, failure(Code.SHARD_FAILED, message))
    return None


def end_of_success(run_id: str, totals: PlanTotals, score: ScoreEnd) -> Finish:
    """The end of a run whose outputs are stitched: with gaps when an item or an input is missing from them."""
    whole = totals.refused == 0 and score.items_failed == 0
    return Finish(run_id=run_id, status=RunStatus.SUCCEEDED if whole else RunStatus.SUCCEEDED_WITH_GAPS)


def cancelled(run_id: str) -> Finish:
    """The end of a run that somebody stopped."""
    return Finish(run_id=run_id, status=RunStatus.CANCELLED, failure=failure(Code.RUN_CANCELLED))


def failed(run_id: str, why: Failure) -> Finish:
    """The end of a run that cannot go on."""
    return Finish(run_id=run_id, status=RunStatus.FAILED, failure=why)


# --- a container -----------------------------------------------------------------------------------------------------


class ContainerMove(StrEnum):
    """What `run_container` does next."""

    END = "end"
    START = "start"
    WAIT = "wait"
    AGAIN = "again"
    """Give this attempt up and begin the next."""


def container_end(state: ContainerRun, check: ContainerCheck) -> ContainerEnd | None:
    """The end of a container's work, if this is it. What exists counts, whatever became of the container."""
    if check.product_ready:
        return ContainerEnd(ok=True)
    if check.cancelled:
        return ContainerEnd(ok=False, cancelled=True)
    if check.failure is not None:
        return ContainerEnd(ok=False, failure=check.failure)
    why = attempt_failure(state, check)
    if why is not None and state.attempt >= state.policy.container_attempts:
        return ContainerEnd(ok=False, failure=why)
    return None


def container_move(state: ContainerRun, check: ContainerCheck) -> ContainerMove:
    """What to do for a container whose work has not ended (see `container_end`)."""
    if attempt_failure(state, check) is not None:
        return ContainerMove.AGAIN
    if check.phase is ContainerPhase.MISSING:
        return ContainerMove.START
    return ContainerMove.WAIT


def attempt_failure(state: ContainerRun, check: ContainerCheck) -> Failure | None:
    """Why this attempt is over without its product; None while it may still bring it."""
    what = f"{_CONTAINERS[state.role]} (attempt {state.attempt} of {state.policy.container_attempts})"
    if check.phase is ContainerPhase.FAILED:
        code = "" if check.exit_code is None else f" with exit code {check.exit_code}"
        return failure(Code.CONTAINER_FAILED, f"{what} ended{code}.", detail=check.detail or None)
    if check.phase is ContainerPhase.SUCCEEDED:
        return failure(Code.CONTAINER_FAILED, f"{what} ended without a result.", detail=check.detail or None)
    if check.phase is ContainerPhase.MISSING and state.started:
        return failure(Code.CONTAINER_FAILED, f"{what} disappeared.", detail=check.detail or None)
    if state.elapsed_s >= state.policy.container_deadline_s:
        limit = f"{state.policy.container_deadline_s:g} s"
        return failure(Code.CONTAINER_TIMEOUT, f"{what} did not end within {limit}.", detail=check.detail or None)
    return None


def next_attempt(state: ContainerRun) -> ContainerRun:
    """The state in which the next attempt begins."""
    return state.model_copy(update={"attempt": state.attempt + 1, "elapsed_s": 0.0, "started": False, "wait_s": 0.0})


_CONTAINERS = {Role.PLAN: "The planning container", Role.STITCH: "The stitching container"}


# --- the shards ------------------------------------------------------------------------------------------------------


class ScoreMove(StrEnum):
    """What `score_shards` does next."""

    END = "end"
    LOOK = "look"
    """See that enough workers are there, or coming."""
    REQUEUE = "requeue"
    """Put the shards without a verdict on the queue again."""
    WAIT = "wait"


def counted(state: ScoreShards, count: VerdictCount, passed_s: float) -> ScoreShards:
    """The state after a count, `passed_s` seconds after the last one. A new verdict ends every worry."""
    seen: dict[str, float] = {
        "settled": count.settled,
        "settled_before": count.settled_before,
        "items_before": count.items_before,
        "failed_before": count.failed_before,
        "elapsed_s": state.elapsed_s + passed_s,
        "quiet_s": state.quiet_s + passed_s,
    }
    new = count.settled - state.settled
    if new > 0:
        left_s = (state.shards - count.settled) * seen["quiet_s"] / new
        look_s = look_after_s(state.policy) if state.look_s else 0.0  # the first look is made even so
        wait_s = pace_s(state.policy, left_s)
        seen |= {"quiet_s": 0.0, "stalls": 0, "wait_s": wait_s, "look_s": look_s}
    return state.model_copy(update=seen)


def pace_s(policy: RunPolicy, left_s: float) -> float:
    """The wait after a new verdict, when the rest takes `left_s` at the present pace: a quarter of that, so that a
    long run costs few looks and the end of a short one is seen at once. Far from the end it may be twice the longest
    wait of other times.
    """
    return min(max(left_s / 4, policy.poll_first_s), 2 * policy.poll_most_s)


def heeds_nudges(state: ScoreShards, wait_s: float) -> bool:
    """Whether a nudge ends a wait. Far from the end of a run it would only tell that scoring goes on."""
    return state.quiet_s > 0 or wait_s <= state.policy.poll_most_s


def score_end(state: ScoreShards, count: VerdictCount) -> ScoreEnd | None:
    """The end of scoring, if this is it."""
    if count.settled >= state.shards:
        return ScoreEnd(items_done=count.items_done, items_failed=count.items_failed)
    if count.cancelled:
        return ScoreEnd(items_done=count.items_done, items_failed=count.items_failed, cancelled=True)
    if state.elapsed_s >= state.policy.deadline_s:
        message = f"The run was not done after {state.policy.deadline_s:g} s; {_missing(state)} are left."
        return _given_up(count, failure(Code.RUN_DEADLINE, message))
    return None


def score_move(state: ScoreShards, count: VerdictCount) -> ScoreMove:
    """What to do while shards are missing (see `score_end`)."""
    if state.next_shard >= state.shards and state.quiet_s >= patience_s(state, count):
        return ScoreMove.REQUEUE
    if state.quiet_s >= state.look_s:
        return ScoreMove.LOOK
    return ScoreMove.WAIT


def patience_s(state: ScoreShards, count: VerdictCount) -> float:
    """How long it may be quiet before shards are put on the queue again, in seconds.

    A message is deleted only after its verdict is written, so an empty queue with verdicts missing has lost
    messages, and there is nothing to wait for.
    """
    return look_after_s(state.policy) if count.queue_empty else state.policy.stall_s


def look_after_s(policy: RunPolicy) -> float:
    """How long it may be quiet before anything is looked into, in seconds."""
    return min(LOOK_AFTER_S, policy.lease_s, policy.stall_s)


def looked(state: ScoreShards) -> ScoreShards:
    """The state after a look at the workers: the next one comes after twice as long a silence."""
    calm = look_after_s(state.policy)
    return state.model_copy(update={"look_s": min(max(2 * state.quiet_s, calm), max(state.policy.stall_s, calm))})


def stalled(state: ScoreShards) -> ScoreShards:
    """The state after a stall was dealt with: the silence is counted anew."""
    calm = look_after_s(state.policy)
    update = {"stalls": state.stalls + 1, "rounds": state.rounds + 1, "quiet_s": 0.0, "wait_s": 0.0, "look_s": calm}
    return state.model_copy(update=update)


def end_of_stalls(state: ScoreShards, count: VerdictCount, workers: WorkersSeen) -> ScoreEnd | None:
    """The end of scoring once too many stalls came in a row without a new verdict."""
    if state.stalls < state.policy.stall_limit:
        return None
    if workers.running == 0:
        why = failure(Code.WORKERS_UNAVAILABLE, f"No worker ran; {_missing(state)} are left.", detail=workers.detail)
    else:
        why = failure(Code.RUN_STALLED, f"No shard was finished for too long; {_missing(state)} are left.")
    return _given_up(count, why)


def _missing(state: ScoreShards) -> str:
    return f"{state.shards - state.settled} of {state.shards} shards"


def _given_up(count: VerdictCount, why: Failure) -> ScoreEnd:
    return ScoreEnd(items_done=count.items_done, items_failed=count.items_failed, failure=why)
