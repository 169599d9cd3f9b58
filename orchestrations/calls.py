"""Typed calls from an orchestrator: a contract goes out, a contract comes back, plain JSON in between."""

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

from durabletask.task import CompletableTask, OrchestrationContext, RetryPolicy, Task, TaskFailedError

from dropscore.contracts.base import Contract
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.errors import ContractError
from dropscore.contracts.failures import Failure
from dropscore.contracts.identity import child_instance_id
from dropscore.contracts.names import ActivityName, OrchestratorName
from dropscore.contracts.request import RunPolicy
from orchestrations.decisions import failure_of, is_transient

type Story[R] = Generator[Task[Any], Any, R]
"""A part of an orchestrator, for `yield from`."""

_LONGEST_BACKOFF = 64
"""In units of the policy's backoff."""


def retries(policy: RunPolicy, *, attempts: int | None = None) -> RetryPolicy:
    """How often an activity is tried: its first pause is the policy's backoff, and each further one twice as long."""
    return RetryPolicy(
        first_retry_interval=timedelta(seconds=policy.activity_backoff_s),
        max_number_of_attempts=attempts or policy.activity_attempts,
        backoff_coefficient=2.0,
        max_retry_interval=_longest_backoff(policy),
    )


def _longest_backoff(policy: RunPolicy) -> timedelta:
    return timedelta(seconds=policy.activity_backoff_s) * _LONGEST_BACKOFF


def start_activity(
    ctx: OrchestrationContext, name: ActivityName, payload: Contract, policy: RunPolicy
) -> CompletableTask[Any]:
    """Schedule an activity without waiting for it."""
    return ctx.call_activity(str(name), input=encode(payload), retry_policy=retries(policy))


def activity[R: Contract](
    ctx: OrchestrationContext, name: ActivityName, payload: Contract, result: type[R], policy: RunPolicy
) -> Story[R]:
    """Call an activity and wait. Raises `TaskFailedError` when it still fails after its retries.

    Where a service does not answer, it is tried for as long as `policy.patience_s`. Any other failure would be the same
    again.
    """
    return (yield from answer_to(ctx, start_activity(ctx, name, payload, policy), name, payload, result, policy))


def answer_to[R: Contract](
    ctx: OrchestrationContext,
    started: CompletableTask[Any],
    name: ActivityName,
    payload: Contract,
    result: type[R],
    policy: RunPolicy,
) -> Story[R]:
    """Wait for an activity that was started before, as patiently as `activity` does."""
    until = ctx.current_utc_datetime + timedelta(seconds=policy.patience_s)
    pause = _longest_backoff(policy)
    while True:
        try:
            answer = yield started
            return decode(result, answer)
        except TaskFailedError as error:
            if not is_transient(error) or ctx.current_utc_datetime >= until:
                raise
        yield ctx.create_timer(pause)
        pause = 2 * _longest_backoff(policy)  # so that the history stays short
        started = ctx.call_activity(str(name), input=encode(payload), retry_policy=retries(policy, attempts=1))


def child[R: Contract](
    ctx: OrchestrationContext, name: OrchestratorName, stage: str, run_id: str, payload: Contract, result: type[R]
) -> Story[R]:
    """Run a sub-orchestration under the run's own id for that stage, so that nudges find it."""
    instance_id = child_instance_id(run_id, stage)
    answer = yield ctx.call_sub_orchestrator(str(name), input=encode(payload), instance_id=instance_id)
    return decode(result, answer)


def guarded[R](story: Story[R], otherwise: Callable[[Failure], R]) -> Story[R]:
    """Tell a story; when a step of it fails for good, give what `otherwise` makes of the failure."""
    try:
        return (yield from story)
    except (TaskFailedError, ContractError) as error:
        return otherwise(failure_of(error))
