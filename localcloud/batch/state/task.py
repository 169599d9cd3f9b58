"""Tasks: `active` until a node has room, `running`, `completed`."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from localcloud.batch.bodies.tasks import ExitOptions, TaskBody, TaskConstraints
from localcloud.batch.state.stamps import later

DEFAULT_RETENTION = timedelta(days=7)


class TaskState(StrEnum):
    """Where a task stands. `preparing` is for jobs with a preparation task, which the emulator does not have."""

    ACTIVE = "active"
    PREPARING = "preparing"
    RUNNING = "running"
    COMPLETED = "completed"


class Category(StrEnum):
    """Who is to blame for a failure."""

    USER = "usererror"
    SERVER = "servererror"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailure:
    """Why a task, or a node's start task, failed."""

    category: Category
    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()


def user_failure(code: str, message: str, **details: str) -> TaskFailure:
    """A failure that is the user's to mend."""
    return TaskFailure(category=Category.USER, code=code, message=message, details=tuple(details.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a task has run. `retry_count` counts failed programs, `requeue_count` only what users caused."""

    retry_count: int = 0
    requeue_count: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    failure: TaskFailure | None = None
    last_retry_at: datetime | None = None
    last_requeue_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The node that runs or ran a task."""

    pool_id: str
    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task of a job. `number` counts the tasks of the emulator in the order of their creation."""

    job_id: str
    number: int
    body: TaskBody
    created_at: datetime
    modified_at: datetime
    state_at: datetime
    state: TaskState = TaskState.ACTIVE
    previous_state: TaskState | None = None
    previous_state_at: datetime | None = None
    execution: Execution = field(default_factory=Execution)
    placement: Placement | None = None

    @property
    def id(self) -> str:
        return self.body.id

    @property
    def key(self) -> str:
        """Unique among all tasks."""
        return task_key(self.job_id, self.body.id)

    @property
    def slots(self) -> int:
        """How many slots of a node it takes."""
        return self.body.required_slots or 1

    @property
    def succeeded(self) -> bool:
        """Whether it is complete with exit code 0 and nothing went wrong around it."""
        return self.state is TaskState.COMPLETED and self.execution.failure is None

    @property
    def files_expire_at(self) -> datetime | None:
        """When its folder is removed; None while it is not complete."""
        if self.execution.ended_at is None:
            return None
        given = self.body.constraints.retention_time if self.body.constraints else None
        return add_capped(self.execution.ended_at, DEFAULT_RETENTION if given is None else given)

    def started(self, at: datetime, placement: Placement) -> "Task":
        """Active to running, on a node."""
        execution = replace(self.execution, started_at=at)
        return replace(self._moved(at, TaskState.RUNNING), execution=execution, placement=placement)

    def retried(self, at: datetime) -> "Task":
        """Running again on the same node after its program failed."""
        count = self.execution.retry_count + 1
        execution = replace(self.execution, started_at=at, retry_count=count, last_retry_at=at)
        return replace(self, execution=execution, modified_at=later(at, self.modified_at))

    def requeued(self, at: datetime, *, counted: bool) -> "Task":
        """Running to active, from scratch; `counted` when a user caused it."""
        execution = replace(self.execution, started_at=None)
        if counted:
            execution = replace(execution, requeue_count=execution.requeue_count + 1, last_requeue_at=at)
        return replace(self._moved(at, TaskState.ACTIVE), execution=execution, placement=None)

    def completed(self, at: datetime, *, exit_code: int | None, failure: TaskFailure | None) -> "Task":
        """Complete; it succeeded if there is no failure."""
        execution = replace(self.execution, ended_at=at, exit_code=exit_code, failure=failure)
        return replace(self._moved(at, TaskState.COMPLETED), execution=execution)

    def reactivated(self, at: datetime) -> "Task":
        """Complete to active, with the retry count at zero and without exit code and failure."""
        execution = replace(self.execution, retry_count=0, started_at=None, ended_at=None, exit_code=None, failure=None)
        return replace(self._moved(at, TaskState.ACTIVE), execution=execution, placement=None)

    def constrained(self, at: datetime, constraints: TaskConstraints | None) -> "Task":
        """With other constraints."""
        body = self.body.model_copy(update={"constraints": constraints})
        return replace(self, body=body, modified_at=later(at, self.modified_at))

    def _moved(self, at: datetime, state: TaskState) -> "Task":
        at = later(at, self.modified_at)
        return replace(
            self,
            state=state,
            state_at=at,
            modified_at=at,
            previous_state=self.state,
            previous_state_at=self.state_at,
        )


def task_key(job_id: str, task_id: str) -> str:
    """The key of a task among all tasks."""
    return f"{job_id}/{task_id}"


def add_capped(at: datetime, length: timedelta) -> datetime:
    """`at + length`, or the end of time: Azure's "no limit" is 29,000 years."""
    try:
        return at + length
    except OverflowError:
        return datetime.max.replace(tzinfo=at.tzinfo)


def exit_options(task: Task) -> ExitOptions | None:
    """The options that a completed task's end has chosen; None when nothing was said about this end."""
    conditions, execution = task.body.exit_conditions, task.execution
    if conditions is None:
        return None
    if execution.exit_code is None:
        return conditions.pre_processing_error or conditions.default
    for rule in conditions.exit_codes or ():
        if rule.code == execution.exit_code:
            return rule.exit_options
    for span in conditions.exit_code_ranges or ():
        if span.start <= execution.exit_code <= span.end:
            return span.exit_options
    if execution.failure and execution.failure.code.startswith("FileUpload"):
        return conditions.file_upload_error or conditions.default
    return None if task.succeeded else conditions.default
