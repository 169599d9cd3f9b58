"""Bodies about tasks."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from localcloud.batch.bodies.base import (
    Body,
    CommandLine,
    DisplayName,
    Duration,
    Identifier,
    NameValue,
    Opaque,
    RetryCount,
)

MAX_COLLECTION = 100


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path must lie inside the working folder")
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]
MAX_DEPENDENCY_CHARACTERS = 64_000


class JobAction(StrEnum):
    """What a task's end does to its job."""

    NONE = "none"
    DISABLE = "disable"
    TERMINATE = "terminate"


class DependencyAction(StrEnum):
    """What a task's end means for the tasks that depend on it."""

    SATISFY = "satisfy"
    BLOCK = "block"


class ExitOptions(Body):
    """Reaction to one kind of end."""

    job_action: JobAction | None = None
    dependency_action: DependencyAction | None = None


class ExitCode(Body):
    """Reaction to one exit code."""

    code: int
    exit_options: ExitOptions


class ExitCodeRange(Body):
    """Reaction to exit codes from `start` to `end`, both inclusive."""

    start: int
    end: int
    exit_options: ExitOptions


class ExitConditions(Body):
    """Reactions to the end of a task."""

    exit_codes: tuple[ExitCode, ...] | None = None
    exit_code_ranges: tuple[ExitCodeRange, ...] | None = None
    pre_processing_error: ExitOptions | None = None
    file_upload_error: ExitOptions | None = None
    default: ExitOptions | None = None


class TaskConstraints(Body):
    """Limits on a task."""

    max_wall_clock_time: Duration | None = None
    retention_time: Duration | None = None
    max_task_retry_count: RetryCount | None = None


class ContainerSettings(Body):
    """The container of a task. The image is noted; the command runs on this machine."""

    image_name: str
    container_run_options: str | None = None
    registry: Opaque | None = None
    working_directory: str | None = None
    container_host_batch_bind_mounts: tuple[Opaque, ...] | None = None


class TaskIdRange(Body):
    """Tasks whose ids are whole numbers from `start` to `end`, both inclusive."""

    start: int
    end: int


class Dependencies(Body):
    """The tasks that must have ended before this one starts."""

    task_ids: tuple[str, ...] | None = None
    task_id_ranges: tuple[TaskIdRange, ...] | None = None


class ResourceFile(Body):
    """A file to fetch before the command runs; exactly one of the first three says from where."""

    http_url: str | None = None
    storage_container_url: str | None = None
    auto_storage_container_name: str | None = None
    blob_prefix: str | None = None
    file_path: RelativePath | None = None
    file_mode: Annotated[str, StringConstraints(pattern=r"^[0-7]{3,4}$")] | None = None
    identity_reference: Opaque | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "ResourceFile":
        sources = (self.http_url, self.storage_container_url, self.auto_storage_container_name)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of httpUrl, storageContainerUrl, autoStorageContainerName")
        if self.http_url is not None and not self.file_path:
            raise ValueError("httpUrl needs a filePath")
        return self


class UploadCondition(StrEnum):
    """After which ends of a task a file is stored."""

    SUCCESS = "tasksuccess"
    FAILURE = "taskfailure"
    COMPLETION = "taskcompletion"


class OutputContainer(Body):
    """A blob container that takes output files."""

    container_url: str
    path: str | None = None
    identity_reference: Opaque | None = None
    upload_headers: tuple[Opaque, ...] | None = None


class OutputDestination(Body):
    """Where output files go."""

    container: OutputContainer | None = None


class OutputOptions(Body):
    """When output files are stored."""

    upload_condition: UploadCondition


class OutputFile(Body):
    """Files to store after the command; the pattern is relative to the working folder."""

    file_pattern: Annotated[str, StringConstraints(min_length=1)]
    destination: OutputDestination
    upload_options: OutputOptions


class AffinityInfo(Body):
    """The node a task would like to run on."""

    affinity_id: str


class TaskBody(Body):
    """A task as it is added to a job."""

    id: Identifier
    command_line: CommandLine
    display_name: DisplayName | None = None
    exit_conditions: ExitConditions | None = None
    container_settings: ContainerSettings | None = None
    resource_files: tuple[ResourceFile, ...] | None = None
    output_files: tuple[OutputFile, ...] | None = None
    environment_settings: tuple[NameValue, ...] | None = None
    affinity_info: AffinityInfo | None = None
    constraints: TaskConstraints | None = None
    required_slots: Annotated[int, Field(ge=1, le=256)] | None = None
    user_identity: Opaque | None = None
    multi_instance_settings: Opaque | None = None
    depends_on: Dependencies | None = None
    application_package_references: tuple[Opaque, ...] | None = None
    authentication_token_settings: Opaque | None = None


class TaskCollection(Body):
    """Several tasks, added in one request; each is checked by itself."""

    value: tuple[Opaque, ...]


class TaskReplacement(Body):
    """What replaces a task: its constraints. The client sends whole tasks; the other members are read-only."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    constraints: TaskConstraints | None = None
