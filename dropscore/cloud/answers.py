"""What the answers of Batch and Container Instances mean for us. Pure functions over the services' own JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from dropscore.cloud.ports import ContainerState, WorkerCounts
from dropscore.contracts.orchestration import ContainerPhase

_QUOTA_WORDS = ("quota", "limit")
_BROKEN_NODES = frozenset({"unusable", "starttaskfailed", "offline", "unknown"})
_GROUP_PHASES = {
    "Pending": ContainerPhase.WAITING,
    "Running": ContainerPhase.RUNNING,
    "Succeeded": ContainerPhase.SUCCEEDED,
    "Failed": ContainerPhase.FAILED,
    "Stopped": ContainerPhase.FAILED,
}
_ENDED_PROVISIONING = frozenset({"Failed", "Canceled"})


def worker_counts(tasks: Sequence[Mapping[str, Any]]) -> WorkerCounts:
    """Count the tasks of a job that have not ended (each with its `state`)."""
    states = [task["state"] for task in tasks]
    return WorkerCounts(
        running=sum(state in ("running", "preparing") for state in states),
        waiting=sum(state == "active" for state in states),
    )


def pool_doubt(pool: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]] = ()) -> str:
    """Why a pool gives no node, in one sentence, or an empty string when nothing speaks against it.

    `pool` is the service's pool; `nodes` are its nodes with `state`, if it has any.
    """
    name = f"The pool {pool['id']!r}"
    if pool.get("state") == "deleting":
        return f"{name} is being deleted."
    if errors := pool.get("resizeErrors"):
        return f"{name} of {pool.get('vmSize', 'unknown size')} cannot get nodes: {_said(errors[0])}"
    if error := (pool.get("autoScaleRun") or {}).get("error"):
        return f"The autoscale formula of the pool {pool['id']!r} fails: {_said(error)}"
    if nodes and all(node.get("state") in _BROKEN_NODES for node in nodes):
        states = ", ".join(sorted({str(node["state"]) for node in nodes}))
        return f"{name} has {len(nodes)} nodes and none that works ({states}).{_node_reason(nodes)}"
    if not nodes and _asks_for_none(pool):
        return f"{name} is set to 0 nodes and its autoscale is off."
    return ""


def container_state(name: str, group: Mapping[str, Any]) -> ContainerState:
    """What became of a group of one container (the JSON of its GET)."""
    properties = group.get("properties", {})
    view = (properties.get("containers") or [{}])[0].get("properties", {}).get("instanceView") or {}
    current = view.get("currentState") or {}
    return ContainerState(
        name=name,
        phase=_phase(properties, current),
        exit_code=current.get("exitCode") if current.get("state") == "Terminated" else None,
        detail=_detail(properties, view, current),
    )


def _phase(properties: Mapping[str, Any], current: Mapping[str, Any]) -> ContainerPhase:
    """The container's own state says more than the group's, which follows later."""
    if current.get("state") == "Terminated":
        return ContainerPhase.SUCCEEDED if current.get("exitCode") == 0 else ContainerPhase.FAILED
    if properties.get("provisioningState") in _ENDED_PROVISIONING:
        return ContainerPhase.FAILED
    if current.get("state") == "Running":
        return ContainerPhase.RUNNING
    if (properties.get("instanceView") or {}).get("state") == "Running" and current.get("state") == "Waiting":
        return ContainerPhase.WAITING
    return _GROUP_PHASES.get((properties.get("instanceView") or {}).get("state", ""), ContainerPhase.WAITING)


def _detail(properties: Mapping[str, Any], view: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    """The last warning, which names a failed pull or a lack of capacity, else the state's own word."""
    events = [*((properties.get("instanceView") or {}).get("events") or ()), *(view.get("events") or ())]
    warnings = [event for event in events if event.get("type") == "Warning"]
    if warnings:
        return str(warnings[-1].get("message", ""))
    return str(current.get("detailStatus") or "")


def _asks_for_none(pool: Mapping[str, Any]) -> bool:
    wanted = (pool.get("targetDedicatedNodes") or 0) + (pool.get("targetLowPriorityNodes") or 0)
    return wanted == 0 and not pool.get("enableAutoScale") and pool.get("allocationState") == "steady"


def _said(error: Mapping[str, Any]) -> str:
    """A Batch error as a sentence: code, message, values; and that it is a quota, where it is one."""
    values = ", ".join(f"{pair.get('name')} {pair.get('value')}" for pair in error.get("values") or ())
    message = str(error.get("message") or "no reason given").strip().rstrip(".")
    text = f"{error.get('code', 'error')}: {message}{f' ({values})' if values else ''}."
    if any(word in text.lower() for word in _QUOTA_WORDS):
        text += " This is a quota of the account or subscription; ask for more, or use another size or region."
    return text


def _node_reason(nodes: Sequence[Mapping[str, Any]]) -> str:
    for node in nodes:
        for error in (*(node.get("errors") or ()), (node.get("startTaskInfo") or {}).get("failureInfo")):
            if error:
                return f" {_said(error)}"
    return ""
