"""Operations on tasks."""

from typing import Any

from starlette.responses import Response

from localcloud.batch.bodies.tasks import MAX_COLLECTION, TaskBody, TaskCollection, TaskReplacement
from localcloud.batch.engine.attempts import Ending
from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.answers import Answers, check_body, read_body
from localcloud.batch.http.listing import Listed, list_page, paths
from localcloud.batch.http.lookups import find_job, find_task, require_open
from localcloud.batch.http.odata import expands_statistics, select
from localcloud.batch.http.refusals import property_error, refuse
from localcloud.batch.http.task_rules import check_task
from localcloud.batch.state.job import Job
from localcloud.batch.state.stamps import etag
from localcloud.batch.state.task import Task, TaskState, user_failure
from localcloud.batch.views.common import Addresses
from localcloud.batch.views.tasks import task_statistics, task_view
from localcloud.emulation.clock import instant
from localcloud.emulation.routing import Call, Operation, ServiceError

PROPERTIES = paths(
    """id displayName url eTag lastModified creationTime exitConditions state stateTransitionTime previousState
    previousStateTransitionTime commandLine containerSettings resourceFiles outputFiles environmentSettings affinityInfo
    constraints requiredSlots userIdentity executionInfo nodeInfo multiInstanceSettings stats dependsOn
    applicationPackageReferences authenticationTokenSettings""",
    executionInfo=(
        "startTime",
        "endTime",
        "exitCode",
        "result",
        "retryCount",
        "requeueCount",
        "lastRetryTime",
        "lastRequeueTime",
    ),
    nodeInfo=("nodeId", "poolId", "affinityId"),
    constraints=("maxWallClockTime", "retentionTime", "maxTaskRetryCount"),
)
MAX_COLLECTION_BYTES = 1024 * 1024


class TaskHandlers:
    """Handlers of tasks."""

    def __init__(self, engine: Engine, answers: Answers, addresses: Addresses) -> None:
        self._engine = engine
        self._answers = answers
        self._addresses = addresses

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        tasks = "/jobs/{jobId}/tasks"
        rows = (
            ("GET", tasks, self.list),
            ("POST", tasks, self.create),
            ("POST", "/jobs/{jobId}/addtaskcollection", self.create_collection),
            ("GET", f"{tasks}/{{taskId}}", self.get),
            ("PUT", f"{tasks}/{{taskId}}", self.replace),
            ("DELETE", f"{tasks}/{{taskId}}", self.delete),
            ("POST", f"{tasks}/{{taskId}}/terminate", self.terminate),
            ("POST", f"{tasks}/{{taskId}}/reactivate", self.reactivate),
            ("GET", f"{tasks}/{{taskId}}/subtasksinfo", self.list_subtasks),
        )
        return tuple(Operation(method=method, template=path, handler=handler) for method, path, handler in rows)

    async def create(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call, conditional=False))
        return self._done(call, self._add(job, read_body(call, TaskBody)), 201)

    async def create_collection(self, call: Call) -> Response:
        job = require_open(find_job(self._engine, call, conditional=False))
        if len(call.body) > MAX_COLLECTION_BYTES:
            raise refuse("RequestBodyTooLarge", f"A collection has {MAX_COLLECTION_BYTES} bytes at most.")
        items = read_body(call, TaskCollection).value
        if len(items) > MAX_COLLECTION:
            raise property_error("value", len(items), f"a collection has {MAX_COLLECTION} tasks at most")
        with self._engine.account.documents.together():
            results = [self._add_one(job, item) for item in items]
        self._engine.wake()
        return self._answers.json(call, {"value": results}, kind="taskaddresult")

    async def list(self, call: Call) -> Response:
        job = find_job(self._engine, call, conditional=False)
        statistics = expands_statistics(call.query.get("$expand"))
        retries = _job_retries(job)
        return list_page(
            call,
            self._answers,
            Listed(
                kind="tasks",
                items=self._engine.account.tasks.of(job.id),
                key=lambda task: task.id.lower(),
                cheap=lambda task: task_view(task, self._addresses, job_retries=retries),
                properties=PROPERTIES,
                full=self._with_statistics if statistics else None,
            ),
        )

    async def get(self, call: Call) -> Response:
        task = find_task(self._engine, call)
        job = find_job(self._engine, call, conditional=False)
        view = task_view(task, self._addresses, job_retries=_job_retries(job))
        if expands_statistics(call.query.get("$expand")):
            view = self._with_statistics(task, view)
        shown = select(view, call.query.get("$select"), PROPERTIES)
        return self._answers.json(call, shown, kind="tasks/@Element", modified_at=task.modified_at)

    async def replace(self, call: Call) -> Response:
        task = self._not_completed(find_task(self._engine, call))
        constraints = read_body(call, TaskReplacement).constraints
        changed = task.constrained(self._engine.context.clock.now(), constraints)
        return self._done(call, self._engine.account.tasks.put(changed), 200)

    async def delete(self, call: Call) -> Response:
        task = find_task(self._engine, call)
        if attempt := self._engine.attempts.get(task.job_id, task.id):
            self._engine.attempts.end([attempt], Ending.DROP)
        else:
            self._engine.jobs.remove_files(task)
        self._engine.account.tasks.remove(task)
        self._engine.context.ledger.note("task", task.id, "deleted", job=task.job_id)
        return self._done(call, task, 200)

    async def terminate(self, call: Call) -> Response:
        task = self._not_completed(find_task(self._engine, call))
        if attempt := self._engine.attempts.get(task.job_id, task.id):
            self._engine.attempts.end([attempt], Ending.TERMINATE)
            return self._done(call, task, 204)
        failure = user_failure("TaskEnded", "Task Was Ended", Message="A user ended the task before it ran.")
        ended = task.completed(self._engine.context.clock.now(), exit_code=None, failure=failure)
        self._engine.context.ledger.note("task", task.id, "completed", job=task.job_id, succeeded=False)
        return self._done(call, self._engine.account.tasks.put(ended), 204)

    async def reactivate(self, call: Call) -> Response:
        task = find_task(self._engine, call)
        require_open(find_job(self._engine, call, conditional=False))
        if task.state is not TaskState.COMPLETED:
            raise refuse("TaskNotCompleted", "The specified task is not complete.")
        if task.succeeded:
            raise refuse("TaskSucceeded", "The specified task succeeded.")
        active = task.reactivated(self._engine.context.clock.now())
        return self._done(call, self._engine.account.tasks.put(active), 204)

    async def list_subtasks(self, call: Call) -> Response:
        """Always empty: the emulator has no multi-instance tasks."""
        find_task(self._engine, call)
        return self._answers.json(call, {"value": []}, kind="subtasks")

    def _add(self, job: Job, body: TaskBody) -> Task:
        check_task(body, job, self._engine.account.pools.get(job.pool_id))
        tasks = self._engine.account.tasks
        if tasks.get(job.id, body.id):
            raise refuse("TaskExists", "The specified task already exists.")
        now = self._engine.context.clock.now()
        task = Task(job_id=job.id, number=tasks.next_number, body=body, created_at=now, modified_at=now, state_at=now)
        self._engine.context.ledger.note("task", task.id, "created", job=job.id)
        return tasks.put(task)

    def _add_one(self, job: Job, item: dict[str, Any]) -> dict[str, Any]:
        try:
            task = self._add(job, check_body(item, TaskBody))
        except ServiceError as error:
            fault = {"code": error.code, "message": {"lang": "en-US", "value": error.message}}
            return {"status": "clienterror", "taskId": str(item.get("id", "")), "error": fault}
        return {
            "status": "success",
            "taskId": task.id,
            "eTag": etag(task.modified_at),
            "lastModified": instant(task.modified_at),
            "location": self._addresses.task(task.job_id, task.id),
        }

    def _with_statistics(self, task: Task, view: dict[str, Any]) -> dict[str, Any]:
        return view | {"stats": task_statistics(task, self._addresses)}

    def _not_completed(self, task: Task) -> Task:
        if task.state is TaskState.COMPLETED:
            raise refuse("TaskCompleted", "The specified task is complete.")
        return task

    def _done(self, call: Call, task: Task, status: int) -> Response:
        self._engine.wake()
        location = self._addresses.task(task.job_id, task.id)
        return self._answers.empty(call, status, modified_at=task.modified_at, location=location)


def _job_retries(job: Job) -> int | None:
    return job.body.constraints.max_task_retry_count if job.body.constraints else None
