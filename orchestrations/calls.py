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
_PATIENCE = 6
"""How many times over a patient step is tried while storage does not answer."""


def retries(policy: RunPolicy) -> RetryPolicy:
    """How often an activity is tried: its first pause is the policy's backoff, and each further one twice as long."""
    first = timedelta(seconds=policy.activity_backoff_s)
    return RetryPolicy(
        first_retry_interval=first,
        max_number_of_attempts=policy.activity_attempts,
        backoff_coefficient=2.0,
        max_retry_interval=first * _LONGEST_BACKOFF,
    )


def start_activity(
    ctx: OrchestrationContext, name: ActivityName, payload: Contract, policy: RunPolicy
) -> CompletableTask[Any]:
    """Schedule an activity without waiting for it."""
    return ctx.call_activity(str(name), input=encode(payload), retry_policy=retries(policy))


def activity[R: Contract](
    ctx: OrchestrationContext,
    name: ActivityName,
    payload: Contract,
    result: type[R],
    policy: RunPolicy,
    *,
    patient: bool = False,
) -> Story[R]:
    """Call an activity and wait. Raises `TaskFailedError` when it still fails after its retries.

    The first step of a run and the last ones are `patient`: where a service does not answer, they are tried for
    minutes. Any other failure would be the same again.
    """
    for rounds_left in reversed(range(_PATIENCE if patient else 1)):
        try:
            answer = yield start_activity(ctx, name, payload, policy)
            return decode(result, answer)
        except TaskFailedError as error:
            if not rounds_left or not is_transient(error):
                raise
    raise AssertionError("unreachable")


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
