"""The environment of tasks and start tasks, as Azure Batch sets it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from localcloud.batch.bodies.base import NameValue
from localcloud.batch.settings import Settings
from localcloud.batch.state.job import Job
from localcloud.batch.state.node import Node
from localcloud.batch.state.task import Task
from localcloud.emulation.programs import base_environment

RESERVED_DISK_BYTES = 1_000_000_000


def node_environment(settings: Settings, node: Node, root: Path, folder: Path) -> dict[str, str]:
    """Variables of every program on a node; `folder` is the program's own, with `wd` in it."""
    return {
        "AZ_BATCH_ACCOUNT_NAME": settings.account,
        "AZ_BATCH_ACCOUNT_URL": f"{settings.url}/",
        "AZ_BATCH_POOL_ID": node.pool_id,
        "AZ_BATCH_NODE_ID": node.id,
        "AZ_BATCH_NODE_IS_DEDICATED": str(node.dedicated).lower(),
        "AZ_BATCH_NODE_ROOT_DIR": str(root),
        "AZ_BATCH_NODE_SHARED_DIR": str(root / "shared"),
        "AZ_BATCH_NODE_STARTUP_DIR": str(root / "startup"),
        "AZ_BATCH_NODE_MOUNTS_DIR": str(root / "fsmounts"),
        "AZ_BATCH_TASK_DIR": str(folder),
        "AZ_BATCH_TASK_WORKING_DIR": str(folder / "wd"),
        "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES": str(RESERVED_DISK_BYTES),
    }


def task_environment(
    settings: Settings, own: Mapping[str, str], job: Job, task: Task, batch: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a task: the emulator's `own`, its settings', the job's, the task's, then `batch`.

    Later ones win, and Batch's own variables cannot be set by anybody.
    """
    named = {"AZ_BATCH_JOB_ID": job.id, "AZ_BATCH_TASK_ID": task.id}
    return (
        base_environment(own)
        | dict(settings.environment)
        | _pairs(job.body.common_environment_settings)
        | _pairs(task.body.environment_settings)
        | dict(batch)
        | named
    )


def start_task_environment(
    settings: Settings, own: Mapping[str, str], given: Iterable[NameValue] | None, batch: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a start task."""
    return base_environment(own) | dict(settings.environment) | _pairs(given) | dict(batch)


def _pairs(settings: Iterable[NameValue] | None) -> dict[str, str]:
    return {setting.name: setting.value or "" for setting in settings or ()}
