"""Every choice for a run and for its containers, as pure functions: of what is known to what happens next."""

from enum import StrEnum

from durabletask.task import TaskFailedError

from dropscore.contracts.errors import ContractError, TransientCloudError
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
)
from dropscore.contracts.refusals import REFUSALS, refusal
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.run import RunStatus


def failure_of(error: TaskFailedError | ContractError) -> Failure:
    """What a user reads of a step that still failed after its retries, or answered what nobody understands."""
    if isinstance(error, ContractError):
        return failure(Code.INTERNAL, detail=str(error))
    detail = f"{error.details.error_type}: {error.details.message}"
    if is_transient(error):
        return failure(Code.STORAGE_UNAVAILABLE, detail=detail)
    for name in REFUSALS:
        if error.details.is_caused_by(name):
            return refusal(name, detail)
    return failure(Code.INTERNAL, detail=detail)


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


def end_after_scoring(run_id: str, totals: PlanTotals, end: ScoreEnd, policy: RunPolicy) -> Finish | None:
    """The end of a run whose shards gave nothing to stitch, or too little."""
    if end.cancelled:
        return cancelled(run_id)
    if end.failure is not None:
        return failed(run_id, end.failure)
    if end.items_done == 0:
        message = f"None of the {end.items_failed} items could be scored."
        return failed(run_id, failure(Code.SHARD_FAILED, message))
    why = too_many(totals.items, end.items_failed, policy)
    return None if why is None else failed(run_id, why)


def too_many(items: int, items_failed: int, policy: RunPolicy) -> Failure | None:
    """Why a run ends of whose items so many failed for good; None when it tolerates that."""
    if policy.tolerate_items is not None and items_failed > policy.tolerate_items:
        limit = f"{policy.tolerate_items}"
    elif 100 * items_failed > policy.tolerate_percent * items:
        limit = f"{policy.tolerate_percent:g} %"
    else:
        return None
    return failure(
        Code.TOO_MANY_FAILED, f"{items_failed} of {items} items failed for good; this run tolerates {limit}."
    )


def end_of_success(run_id: str, totals: PlanTotals, score: ScoreEnd) -> Finish:
    """The end of a run whose outputs are stitched: with gaps when an item or an input is missing from them."""
    whole = totals.refused == 0 and score.items_failed == 0
    return Finish(run_id=run_id, status=RunStatus.SUCCEEDED if whole else RunStatus.SUCCEEDED_WITH_GAPS)


def is_refused_success(finish: Finish, why: Failure) -> bool:
    """Whether a run that was to succeed cannot, because its outputs or its end are refused."""
    succeeded = finish.status in (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS)
    return succeeded and why.code is not Code.STORAGE_UNAVAILABLE


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
    PAUSE = "pause"
    """The run is suspended and no container is there: start none."""


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
        return ContainerMove.PAUSE if check.suspended else ContainerMove.START
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
