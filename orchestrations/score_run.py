"""One run, from its request to its end.

1. Admit it: a request that cannot be done is a value, and the run ends REJECTED.
2. Plan it, in a container, and read how much there is to do.
3. Score the shards.
4. Stitch the parts, in a container.
5. However it came out (success, failure, cancellation), end it in one way: publish or close it (`finish`), then
   clean up, step by step, until nothing is left that costs or lies about.

Every step looks first whether what it makes exists, so a run that is started again walks the same way once more
and arrives where it was. A step that fails for good ends the run FAILED; the orchestration itself never fails.
"""

from dataclasses import dataclass
from datetime import timedelta

from durabletask.task import OrchestrationContext

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import ActivityName, Lane, OrchestratorName, Role
from dropscore.contracts.orchestration import (
    Admission,
    CleanedUp,
    CleanUp,
    ContainerEnd,
    ContainerRun,
    Finish,
    PlanTotals,
    RunEnd,
    RunRef,
    ScoreEnd,
    ScoreShards,
    StatusChange,
)
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.run import RunStatus
from orchestrations import decisions
from orchestrations.calls import Story, activity, answer_to, child, guarded, start_activity
from orchestrations.waiting import longer

_CLEANING_STEPS = 20
"""Steps of cleaning up before the orchestration continues as new."""


def score_run(ctx: OrchestrationContext, payload: Json) -> Story[Json]:
    """Orchestrator: `RunRef` to `RunEnd`. Its instance id is the run's."""
    run = _Run(ctx=ctx, run_id=decode(RunRef, payload).run_id, lane=Lane.NORMAL, policy=RunPolicy())
    finish = yield from guarded(_score(run), lambda why: decisions.failed(run.run_id, why))
    end = yield from _close(run, finish)
    clean = yield from guarded(_clean_up(run, end), lambda _: True)
    if not clean:
        ctx.continue_as_new(payload, save_events=True)
    return encode(end)


@dataclass(slots=True, kw_only=True)
class _Run:
    """What is known of the run. Lane and policy are the defaults until it is admitted."""

    ctx: OrchestrationContext
    run_id: str
    lane: Lane
    policy: RunPolicy


def _score(run: _Run) -> Story[Finish]:
    asked = RunRef(run_id=run.run_id)
    admission = yield from activity(run.ctx, ActivityName.ADMIT, asked, Admission, run.policy)
    run.lane, run.policy = admission.lane, admission.policy
    end = decisions.end_at_admission(admission)
    if end is not None:
        return end

    planned = yield from _stage(run, RunStatus.PLANNING, _container(run, Role.PLAN))
    end = decisions.end_after_container(run.run_id, planned)
    if end is not None:
        return end
    totals = yield from activity(run.ctx, ActivityName.READ_PLAN, asked, PlanTotals, run.policy)
    end = decisions.end_after_plan(run.run_id, totals)
    if end is not None:
        return end

    scored = yield from _stage(run, RunStatus.PROVISIONING, _shards(run, totals))
    end = decisions.end_after_scoring(run.run_id, totals, scored, run.policy)
    if end is not None:
        return end

    stitched = yield from _stage(run, RunStatus.STITCHING, _container(run, Role.STITCH))
    end = decisions.end_after_container(run.run_id, stitched)
    return end or decisions.end_of_success(run.run_id, totals, scored)


def _stage[R](run: _Run, status: RunStatus, story: Story[R]) -> Story[R]:
    """Tell the story of a stage; that the run is in it is written down meanwhile."""
    change = StatusChange(run_id=run.run_id, status=status)
    recording = start_activity(run.ctx, ActivityName.RECORD_STATUS, change, run.policy)
    result = yield from story
    yield from answer_to(run.ctx, recording, ActivityName.RECORD_STATUS, change, RunRef, run.policy)
    return result


def _container(run: _Run, role: Role) -> Story[ContainerEnd]:
    order = ContainerRun(run_id=run.run_id, role=role, policy=run.policy)
    return (yield from child(run.ctx, OrchestratorName.RUN_CONTAINER, role, run.run_id, order, ContainerEnd))


def _shards(run: _Run, totals: PlanTotals) -> Story[ScoreEnd]:
    order = ScoreShards(run_id=run.run_id, lane=run.lane, policy=run.policy, shards=totals.shards, items=totals.items)
    return (yield from child(run.ctx, OrchestratorName.SCORE_SHARDS, "score", run.run_id, order, ScoreEnd))


def _close(run: _Run, finish: Finish) -> Story[RunEnd]:
    """End the run. One whose outputs storage refuses has failed, so that it is told and can be rewound; where storage
    only does not answer, the sweep has the run try again.
    """
    failures: list[Failure] = []

    def told(why: Failure) -> RunEnd:
        failures.append(why)
        return RunEnd(run_id=run.run_id, status=finish.status, failure=why)

    end = yield from guarded(_finish(run, finish), told)
    if failures and decisions.is_refused_success(finish, failures[0]):
        finish = decisions.failed(run.run_id, failures[0])
        end = yield from guarded(_finish(run, finish), told)
    return end


def _finish(run: _Run, finish: Finish) -> Story[RunEnd]:
    return (yield from activity(run.ctx, ActivityName.FINISH, finish, RunEnd, run.policy))


def _clean_up(run: _Run, end: RunEnd) -> Story[bool]:
    """Clean up until done; False when it is not, after so many steps that the history grows long."""
    wait_s = run.policy.poll_first_s
    order = CleanUp(run_id=run.run_id, lane=run.lane, status=end.status)
    for _ in range(_CLEANING_STEPS):
        cleaned = yield from activity(run.ctx, ActivityName.CLEAN_UP, order, CleanedUp, run.policy)
        if cleaned.done:
            return True
        yield run.ctx.create_timer(timedelta(seconds=wait_s))
        wait_s = longer(wait_s, run.policy)
    return False
