"""Pools and nodes on the wire."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.batch.state.node import Node, NodeState, StartTaskRun
from localcloud.batch.state.pool import Pool
from localcloud.batch.state.stamps import etag
from localcloud.batch.state.task import Task
from localcloud.batch.views.common import Addresses, failure_view, given, moment, without_secrets
from localcloud.batch.views.tasks import execution_view
from localcloud.emulation.clock import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoScaleRun:
    """What the last evaluation of a formula gave: results, or an error with its code."""

    at: datetime
    results: str = ""
    error: tuple[str, str] | None = None


def autoscale_run_view(run: AutoScaleRun) -> dict[str, Any]:
    """`autoScaleRun`, and the answer of `evaluateautoscale`."""
    error = None if run.error is None else {"code": run.error[0], "message": run.error[1]}
    return given({"timestamp": moment(run.at), "results": run.results, "error": error})


def pool_view(pool: Pool, nodes: Sequence[Node], run: AutoScaleRun | None, addresses: Addresses) -> dict[str, Any]:
    """A pool; `nodes` are its own, `run` the last evaluation of its formula."""
    defaults = {"taskSlotsPerNode": 1, "taskSchedulingPolicy": {"nodeFillType": "spread"}}
    problems = [{"code": problem.code, "message": problem.message} for problem in pool.resize_problems]
    return given(
        defaults
        | without_secrets(pool.body.wire())
        | {
            "url": addresses.pool(pool.id),
            "eTag": etag(pool.modified_at),
            "creationTime": moment(pool.created_at),
            "lastModified": moment(pool.modified_at),
            "state": pool.state.value,
            "stateTransitionTime": moment(pool.state_at),
            "allocationState": pool.allocation.value,
            "allocationStateTransitionTime": moment(pool.allocation_at),
            "resizeErrors": problems or None,
            "currentDedicatedNodes": sum(node.dedicated for node in nodes),
            "currentLowPriorityNodes": sum(not node.dedicated for node in nodes),
            "targetDedicatedNodes": pool.targets.dedicated,
            "targetLowPriorityNodes": pool.targets.low_priority,
            "enableInterNodeCommunication": bool(pool.body.enable_inter_node_communication),
        }
        | _scaling_view(pool, run)
    )


def _scaling_view(pool: Pool, run: AutoScaleRun | None) -> dict[str, Any]:
    if pool.autoscale is None:
        return {"enableAutoScale": False, "resizeTimeout": format_duration(pool.resize_timeout)}
    return {
        "enableAutoScale": True,
        "autoScaleFormula": pool.autoscale.formula,
        "autoScaleEvaluationInterval": format_duration(pool.autoscale.interval),
        "autoScaleRun": autoscale_run_view(run) if run else None,
    }


def pool_statistics(pool: Pool, addresses: Addresses) -> dict[str, Any]:
    """`stats` of a pool: nothing is measured here but its lifetime."""
    return {
        "url": f"{addresses.pool(pool.id)}/stats",
        "startTime": moment(pool.created_at),
        "lastUpdateTime": moment(pool.modified_at),
    }


def node_view(node: Node, pool: Pool, running: Sequence[Task], addresses: Addresses, slots: int) -> dict[str, Any]:
    """A node; `running` are its tasks, which take `slots` slots."""
    start_task = pool.body.start_task
    image = (pool.body.virtual_machine_configuration or {}).get("imageReference")
    errors = [{"code": "NodeUnusable", "message": node.error}] if node.error else None
    return given(
        {
            "id": node.id,
            "url": addresses.node(node.pool_id, node.id),
            "state": node.state.value,
            "schedulingState": "enabled" if node.scheduling else "disabled",
            "stateTransitionTime": moment(node.state_at),
            "lastBootTime": moment(node.booted_at),
            "allocationTime": moment(node.allocated_at),
            "ipAddress": f"10.0.{node.number // 250}.{node.number % 250 + 4}",
            "ipv6Address": "::1",
            "affinityId": f"TVM:{node.id}",
            "vmSize": node.vm_size,
            "totalTasksRun": node.tasks_run,
            "runningTasksCount": len(running),
            "runningTaskSlotsCount": slots,
            "totalTasksSucceeded": node.tasks_succeeded,
            "startTask": without_secrets(start_task.wire()) if start_task else None,
            "startTaskInfo": _start_task_view(node.start_task) if node.start_task else None,
            "errors": errors,
            "isDedicated": node.dedicated,
            "endpointConfiguration": {"inboundEndpoints": []},
            "nodeAgentInfo": {"version": "local", "lastUpdateTime": moment(node.booted_at)},
            "virtualMachineInfo": given({"imageReference": image}),
        }
    )


def recent_task_view(task: Task, addresses: Addresses) -> dict[str, Any]:
    """One of a node's `recentTasks`."""
    return {
        "taskUrl": addresses.task(task.job_id, task.id),
        "jobId": task.job_id,
        "taskId": task.id,
        "taskState": task.state.value,
        "executionInfo": execution_view(task),
    }


def _start_task_view(run: StartTaskRun) -> dict[str, Any]:
    result = None if run.running else ("failure" if run.failure else "success")
    return given(
        {
            "state": "running" if run.running else "completed",
            "startTime": moment(run.started_at),
            "endTime": moment(run.ended_at),
            "exitCode": run.exit_code,
            "failureInfo": failure_view(run.failure),
            "retryCount": run.retry_count,
            "lastRetryTime": moment(run.last_retry_at),
            "result": result,
        }
    )


_COUNT_NAMES = {
    NodeState.WAITING_FOR_START_TASK: "waitingForStartTask",
    NodeState.START_TASK_FAILED: "startTaskFailed",
    NodeState.LEAVING_POOL: "leavingPool",
    NodeState.UPGRADING_OS: "upgradingOS",
}


def node_counts_view(pool: Pool, nodes: Sequence[Node]) -> dict[str, Any]:
    """A pool's line of `nodecounts`."""

    def count(dedicated: bool) -> dict[str, int]:
        states = Counter(node.state for node in nodes if node.dedicated is dedicated)
        named = {_COUNT_NAMES.get(state, state.value): states[state] for state in NodeState}
        return named | {"total": states.total()}

    return {"poolId": pool.id, "dedicated": count(True), "lowPriority": count(False)}
