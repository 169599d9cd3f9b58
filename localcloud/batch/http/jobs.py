"""Operations on jobs."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from localcloud.batch.bodies.jobs import (
    JobBody,
    JobDisable,
    JobPatch,
    JobReplacement,
    JobTerminate,
)
from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.answers import Answers, flag, patched, read_body, read_optional_body
from localcloud.batch.http.listing import Listed, list_page, paths
from localcloud.batch.http.lookups import find_job, require_open
from localcloud.batch.http.odata import expands_statistics, select
from localcloud.batch.http.refusals import not_emulated, property_error, refuse
from localcloud.batch.state.account import TaskCounts
from localcloud.batch.state.job import Job, JobState
from localcloud.batch.state.task import TaskState
from localcloud.batch.views.common import Addresses
from localcloud.batch.views.jobs import job_statistics, job_view
from localcloud.batch.views.tasks import counts_view
from localcloud.emulation.routing import Call, Operation

PROPERTIES = paths(
    """id displayName usesTaskDependencies url eTag lastModified creationTime state stateTransitionTime previousState
    previousStateTransitionTime priority allowTaskPreemption maxParallelTasks constraints jobManagerTask
    jobPreparationTask jobReleaseTask commonEnvironmentSettings poolInfo onAllTasksComplete onTaskFailure
    networkConfiguration metadata executionInfo stats""",
    executionInfo=("startTime", "endTime", "poolId", "terminateReason"),
    poolInfo=("poolId",),
    constraints=("maxWallClockTime", "maxTaskRetryCount"),
)


class JobHandlers:
    """Handlers of jobs."""

    def __init__(self, engine: Engine, answers: Answers, addresses: Addresses) -> None:
        self._engine = engine
        self._answers = answers
        self._addresses = addresses

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        rows = (
            ("GET", "/jobs", self.list),
            ("POST", "/jobs", self.create),
            ("GET", "/jobs/{jobId}", self.get),
            ("PATCH", "/jobs/{jobId}", self.update),
            ("PUT", "/jobs/{jobId}", self.replace),
            ("DELETE", "/jobs/{jobId}", self.delete),
            ("POST", "/jobs/{jobId}/disable", self.disable),
            ("POST", "/jobs/{jobId}/enable", self.enable),
            ("POST", "/jobs/{jobId}/terminate", self.terminate),
            ("GET", "/jobs/{jobId}/taskcounts", self.task_counts),
            ("GET", "/jobs/{jobId}/jobpreparationandreleasetaskstatus", self.preparation_status),
        )
        return tuple(Operation(method=method, template=path, handler=handler) for method, path, handler in rows)

    async def create(self, call: Call) -> Response:
        body = read_body(call, JobBody)
        _check(body)
        if existing := self._engine.account.jobs.get(body.id):
            deleting = existing.state is JobState.DELETING
            raise refuse("JobBeingDeleted" if deleting else "JobExists", "A job with this id is there already.")
        now = self._engine.context.clock.now()
        job = Job(body=body, created_at=now, modified_at=now, state_at=now)
        self._engine.context.ledger.note("job", job.id, "created", pool=job.pool_id)
        return self._done(call, self._engine.account.jobs.put(job), 201)

    async def list(self, call: Call) -> Response:
        statistics = expands_statistics(call.query.get("$expand"))
        return list_page(
            call,
            self._answers,
            Listed(
                kind="jobs",
                items=self._engine.account.jobs,
                key=lambda job: job.id.lower(),
                cheap=lambda job: job_view(job, self._addresses),
                properties=PROPERTIES,
                full=self._with_statistics if statistics else None,
            ),
        )

    async def get(self, call: Call) -> Response:
        job = find_job(self._engine, call)
        view = job_view(job, self._addresses)
        if expands_statistics(call.query.get("$expand")):
            view = self._with_statistics(job, view)
        shown = select(view, call.query.get("$select"), PROPERTIES)
        return self._answers.json(call, shown, kind="jobs/@Element", modified_at=job.modified_at)

    async def update(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call))
        return self._change(call, job, patched(call, JobPatch, job.body, JobBody))

    async def replace(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call))
        given = read_body(call, JobReplacement)
        changes = {name: getattr(given, name) for name in JobReplacement.model_fields}
        return self._change(call, job, job.body.model_copy(update=changes))

    async def delete(self, call: Call) -> Response:
        job = find_job(self._engine, call)
        if job.state is JobState.DELETING:
            raise refuse("JobBeingDeleted", "The specified job is being deleted.")
        deleting = replace(job, forced=flag(call, "force")).moved(self._engine.context.clock.now(), JobState.DELETING)
        return self._done(call, self._put(deleting), 202)

    async def disable(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call))
        if job.state in {JobState.DISABLED, JobState.DISABLING}:
            raise refuse("JobDisabled", "The specified job is disabled.")
        option = read_body(call, JobDisable).disable_tasks
        return self._done(call, self._put(job.disabling(self._engine.context.clock.now(), option)), 202)

    async def enable(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call))
        if job.state not in {JobState.DISABLED, JobState.DISABLING}:
            raise refuse("OperationInvalidForCurrentState", "The specified job is not disabled.")
        return self._done(call, self._put(job.moved(self._engine.context.clock.now(), JobState.ENABLING)), 202)

    async def terminate(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call))
        reason = read_optional_body(call, JobTerminate).terminate_reason or "UserTerminate"
        now = self._engine.context.clock.now()
        return self._done(call, self._put(job.terminating(now, reason, forced=flag(call, "force"))), 202)

    async def task_counts(self, call: Call) -> Response:
        job = find_job(self._engine, call, conditional=False)
        tasks = self._engine.account.tasks
        return self._answers.json(call, counts_view(tasks.counts(job.id), self._slots(job)), kind="taskcounts")

    async def preparation_status(self, call: Call) -> Response:
        """Always empty: the emulator has no preparation and release tasks."""
        find_job(self._engine, call, conditional=False)
        return self._answers.json(call, {"value": []}, kind="jobpreparationandreleasetaskstatus")

    def _slots(self, job: Job) -> TaskCounts:
        tasks = self._engine.account.tasks
        slots = {state: sum(task.slots for task in tasks.in_state(job.id, state)) for state in TaskState}
        completed = tasks.in_state(job.id, TaskState.COMPLETED)
        succeeded = sum(task.slots for task in completed if task.succeeded)
        return TaskCounts(
            active=slots[TaskState.ACTIVE],
            running=slots[TaskState.RUNNING],
            completed=slots[TaskState.COMPLETED],
            succeeded=succeeded,
            failed=slots[TaskState.COMPLETED] - succeeded,
        )

    def _change(self, call: Call, job: Job, body: JobBody) -> Response:
        _check(body)
        moved = (body.pool_info.pool_id or "").lower() != job.pool_id.lower()
        if moved and job.state is not JobState.DISABLED:
            raise refuse("OperationInvalidForCurrentState", "The pool of a job can change only while it is disabled.")
        return self._done(call, self._put(job.changed(self._engine.context.clock.now(), body)), 200)

    def _with_statistics(self, job: Job, view: dict[str, Any]) -> dict[str, Any]:
        statistics = job_statistics(job, self._engine.account.tasks.of(job.id), self._addresses)
        return view | {"stats": statistics}

    def _put(self, job: Job) -> Job:
        return self._engine.account.jobs.put(job)

    def _done(self, call: Call, job: Job, status: int) -> Response:
        self._engine.wake()
        return self._answers.empty(call, status, modified_at=job.modified_at, location=self._addresses.job(job.id))


def _check(body: JobBody) -> None:
    """Raise ServiceError for a job that Azure would refuse, or that has what the emulator lacks."""
    if body.pool_info.auto_pool_specification is not None:
        raise not_emulated("auto pools (poolInfo.autoPoolSpecification)")
    if body.pool_info.pool_id is None:
        raise property_error("poolInfo", "", "it must name a poolId")
    for name in ("job_manager_task", "job_preparation_task", "job_release_task"):
        if getattr(body, name) is not None:
            raise not_emulated(name.replace("_", " ") + "s")
