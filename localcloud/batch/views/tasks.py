"""Tasks on the wire."""

from dataclasses import asdict
from typing import Any

from localcloud.batch.state.account import TaskCounts
from localcloud.batch.state.stamps import etag
from localcloud.batch.state.task import Execution, Placement, Task, TaskState
from localcloud.batch.views.common import Addresses, failure_view, given, moment
from localcloud.emulation.clock import UNLIMITED, format_duration

_USER = {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}


def task_view(task: Task, addresses: Addresses, *, job_retries: int | None) -> dict[str, Any]:
    """A task; `job_retries` is its job's retry count, which holds when it states none."""
    body = task.body.wire()
    limits = {"maxWallClockTime": UNLIMITED, "retentionTime": "P7D", "maxTaskRetryCount": job_retries or 0}
    return given(
        {"requiredSlots": 1, "userIdentity": _USER}
        | body
        | {
            "url": addresses.task(task.job_id, task.id),
            "eTag": etag(task.modified_at),
            "creationTime": moment(task.created_at),
            "lastModified": moment(task.modified_at),
            "state": task.state.value,
            "stateTransitionTime": moment(task.state_at),
            "previousState": task.previous_state.value if task.previous_state else None,
            "previousStateTransitionTime": moment(task.previous_state_at),
            "constraints": limits | body.get("constraints", {}),
            "executionInfo": execution_view(task),
            "nodeInfo": _node_view(task, task.placement, addresses) if task.placement else None,
        }
    )


def execution_view(task: Task) -> dict[str, Any]:
    """`executionInfo`."""
    execution = task.execution
    return given(
        {
            "startTime": moment(execution.started_at),
            "endTime": moment(execution.ended_at),
            "exitCode": execution.exit_code,
            "containerInfo": _container_view(task, execution),
            "failureInfo": failure_view(execution.failure),
            "retryCount": execution.retry_count,
            "lastRetryTime": moment(execution.last_retry_at),
            "requeueCount": execution.requeue_count,
            "lastRequeueTime": moment(execution.last_requeue_at),
            "result": _result(task),
        }
    )


def _result(task: Task) -> str | None:
    if task.state is not TaskState.COMPLETED:
        return None
    return "success" if task.succeeded else "failure"


def _container_view(task: Task, execution: Execution) -> dict[str, Any] | None:
    if task.body.container_settings is None or execution.started_at is None:
        return None
    return {
        "containerId": f"{task.number:012x}",
        "state": "running" if task.state is TaskState.RUNNING else "exited",
    }


def _node_view(task: Task, placement: Placement, addresses: Addresses) -> dict[str, Any]:
    node = addresses.node(placement.pool_id, placement.node_id)
    folder = f"workitems/{task.job_id}/job-1/{task.id}"
    return {
        "affinityId": f"TVM:{placement.node_id}",
        "nodeUrl": node,
        "poolId": placement.pool_id,
        "nodeId": placement.node_id,
        "taskRootDirectory": folder,
        "taskRootDirectoryUrl": addresses.file(node, folder),
    }


def task_statistics(task: Task, addresses: Addresses) -> dict[str, Any]:
    """`stats`; processor time and disk traffic are not measured here and stand at zero."""
    execution = task.execution
    started = execution.started_at or task.created_at
    ended = execution.ended_at or execution.started_at or task.created_at
    nothing = {"userCPUTime": "PT0S", "kernelCPUTime": "PT0S", "readIOps": 0, "writeIOps": 0}
    return nothing | {
        "url": f"{addresses.task(task.job_id, task.id)}/stats",
        "startTime": moment(started),
        "lastUpdateTime": moment(task.modified_at),
        "wallClockTime": format_duration(ended - started),
        "readIOGiB": 0.0,
        "writeIOGiB": 0.0,
        "waitTime": format_duration(started - task.created_at),
    }


def counts_view(tasks: TaskCounts, slots: TaskCounts) -> dict[str, Any]:
    """Answer of `taskcounts`."""
    return {"taskCounts": asdict(tasks), "taskSlotCounts": asdict(slots)}
