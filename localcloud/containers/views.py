"""Container groups on the wire."""

import uuid
from typing import Any

from localcloud.containers.state import ContainerRun, Event, Group, Moment, Wish
from localcloud.emulation.clock import instant

_SECRETS = frozenset({"password", "secureValue", "storageAccountKey", "workspaceKey", "protectedSettings"})


def group_view(group: Group, *, with_state: bool) -> dict[str, Any]:
    """A group. Lists have it without its state, as Azure's do."""
    wire: dict[str, Any] = _without_secrets(group.body.wire())
    properties: dict[str, Any] = wire["properties"]
    properties["provisioningState"] = "Deleting" if group.wish is Wish.DELETE else "Succeeded"
    properties["restartPolicy"] = group.restart_policy.value
    properties.setdefault("sku", "Standard")
    if with_state:
        properties["instanceView"] = {"state": group.phase.value, "events": []}
        for container in properties["containers"]:
            container["properties"]["instanceView"] = _run_view(group.run(container["name"]))
    if "identity" in wire:
        wire["identity"] = _identity_view(wire["identity"])
    head = {"id": group.id, "name": group.name, "type": "Microsoft.ContainerInstance/containerGroups"}
    return head | {"location": group.location, "tags": {}} | wire


def _run_view(run: ContainerRun) -> dict[str, Any]:
    view = {
        "restartCount": run.restarts,
        "currentState": _moment_view(run.current),
        "events": [_event_view(event) for event in run.events],
    }
    return view | ({"previousState": _moment_view(run.previous)} if run.previous else {})


def _moment_view(moment: Moment) -> dict[str, Any]:
    view = {
        "state": moment.phase.value,
        "startTime": instant(moment.started_at) if moment.started_at else None,
        "finishTime": instant(moment.finished_at) if moment.finished_at else None,
        "exitCode": moment.exit_code,
        "detailStatus": moment.detail,
    }
    return {name: value for name, value in view.items() if value is not None}


def _event_view(event: Event) -> dict[str, Any]:
    return {
        "count": event.count,
        "firstTimestamp": instant(event.first_at),
        "lastTimestamp": instant(event.last_at),
        "name": event.name,
        "message": event.message,
        "type": event.type,
    }


def _identity_view(identity: dict[str, Any]) -> dict[str, Any]:
    """Each user-assigned identity gets ids, always the same for the same name."""
    assigned = {
        name: {
            "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"principal:{name.lower()}")),
            "clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"client:{name.lower()}")),
        }
        for name in identity.get("userAssignedIdentities", {})
    }
    return identity | ({"userAssignedIdentities": assigned} if assigned else {})


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(item) for name, item in value.items() if name not in _SECRETS}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
