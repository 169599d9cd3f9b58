"""Bodies about jobs."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from localcloud.batch.bodies.base import Body, DisplayName, Duration, Identifier, NameValue, Opaque, RetryCount

Priority = Annotated[int, Field(ge=-1000, le=1000)]
Parallel = Annotated[int, Field(ge=-1, le=2**31 - 1)]


class AllTasksComplete(StrEnum):
    """What the job does when all its tasks are complete."""

    NO_ACTION = "noaction"
    TERMINATE_JOB = "terminatejob"


class TaskFailureMode(StrEnum):
    """Whether the ends of tasks may act on the job."""

    NO_ACTION = "noaction"
    PERFORM_EXIT_OPTIONS = "performexitoptionsjobaction"


class DisableOption(StrEnum):
    """What happens to running tasks when their job is disabled."""

    REQUEUE = "requeue"
    TERMINATE = "terminate"
    WAIT = "wait"


class JobConstraints(Body):
    """Limits on a job; the retry count is the default of its tasks."""

    max_wall_clock_time: Duration | None = None
    max_task_retry_count: RetryCount | None = None


class PoolInfo(Body):
    """The pool that runs a job's tasks."""

    pool_id: Identifier | None = None
    auto_pool_specification: Opaque | None = None


class JobBody(Body):
    """A job as it is created."""

    id: Identifier
    pool_info: PoolInfo
    display_name: DisplayName | None = None
    uses_task_dependencies: bool | None = None
    priority: Priority | None = None
    allow_task_preemption: bool | None = None
    max_parallel_tasks: Parallel | None = None
    constraints: JobConstraints | None = None
    job_manager_task: Opaque | None = None
    job_preparation_task: Opaque | None = None
    job_release_task: Opaque | None = None
    common_environment_settings: tuple[NameValue, ...] | None = None
    on_all_tasks_complete: AllTasksComplete | None = None
    on_task_failure: TaskFailureMode | None = None
    network_configuration: Opaque | None = None
    metadata: tuple[NameValue, ...] | None = None


class JobPatch(Body):
    """Members of a job that PATCH may change; the merged job is checked again as a whole."""

    priority: Any = None
    allow_task_preemption: Any = None
    max_parallel_tasks: Any = None
    constraints: Any = None
    pool_info: Any = None
    on_all_tasks_complete: Any = None
    metadata: Any = None
    network_configuration: Any = None


class JobReplacement(Body):
    """What PUT replaces; what is absent falls back to its default. Read-only members of a whole job are passed over."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    pool_info: PoolInfo
    priority: Priority | None = None
    allow_task_preemption: bool | None = None
    max_parallel_tasks: Parallel | None = None
    constraints: JobConstraints | None = None
    on_all_tasks_complete: AllTasksComplete | None = None
    metadata: tuple[NameValue, ...] | None = None


class JobDisable(Body):
    """Body of `disable`."""

    disable_tasks: DisableOption


class JobTerminate(Body):
    """Body of `terminate`, which may be absent."""

    terminate_reason: str | None = None
