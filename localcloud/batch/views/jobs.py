"""Jobs on the wire."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from localcloud.batch.state.job import Job
from localcloud.batch.state.stamps import etag
from localcloud.batch.state.task import Task, TaskState
from localcloud.batch.views.common import Addresses, given, moment
from localcloud.emulation.clock import UNLIMITED, format_duration


def job_view(job: Job, addresses: Addresses) -> dict[str, Any]:
    """A job."""
    body = job.body.wire()
    limits = {"maxWallClockTime": UNLIMITED, "maxTaskRetryCount": 0}
    defaults = {
        "priority": 0,
        "maxParallelTasks": -1,
        "allowTaskPreemption": False,
        "usesTaskDependencies": False,
        "onAllTasksComplete": "noaction",
        "onTaskFailure": "noaction",
    }
    execution = {
        "startTime": moment(job.created_at),
        "endTime": moment(job.ended_at),
        "poolId": job.pool_id,
        "terminateReason": job.terminate_reason,
    }
    return given(
        defaults
        | body
        | {
            "url": addresses.job(job.id),
            "eTag": etag(job.modified_at),
            "creationTime": moment(job.created_at),
            "lastModified": moment(job.modified_at),
            "state": job.state.value,
            "stateTransitionTime": moment(job.state_at),
            "previousState": job.previous_state.value if job.previous_state else None,
            "previousStateTransitionTime": moment(job.previous_state_at),
            "constraints": limits | body.get("constraints", {}),
            "executionInfo": given(execution),
        }
    )


def job_statistics(job: Job, tasks: Iterable[Task], addresses: Addresses) -> dict[str, Any]:
    """`stats`; processor time and disk traffic are not measured here and stand at zero."""
    ended = [task for task in tasks if task.state is TaskState.COMPLETED]
    ran = [task.execution for task in ended if task.execution.started_at and task.execution.ended_at]
    zero = timedelta(0)
    wall = sum((run.ended_at - run.started_at for run in ran if run.ended_at and run.started_at), zero)
    wait = sum((task.execution.started_at - task.created_at for task in ended if task.execution.started_at), zero)
    nothing = {"userCPUTime": "PT0S", "kernelCPUTime": "PT0S", "readIOps": 0, "writeIOps": 0}
    return nothing | {
        "url": f"{addresses.job(job.id)}/stats",
        "startTime": moment(job.created_at),
        "lastUpdateTime": moment(job.modified_at),
        "wallClockTime": format_duration(wall),
        "readIOGiB": 0.0,
        "writeIOGiB": 0.0,
        "numSucceededTasks": sum(task.succeeded for task in ended),
        "numFailedTasks": sum(not task.succeeded for task in ended),
        "numTaskRetries": sum(task.execution.retry_count for task in ended),
        "waitTime": format_duration(wait),
    }
