"""What a location offers, and the provider's list of operations."""

from starlette.responses import Response

from localcloud.containers.engine import Engine
from localcloud.containers.http.arm import answer
from localcloud.containers.http.groups import PROVIDER
from localcloud.emulation.routing import Call, Operation

GROUP_LIMIT = 100
_LOCATION = f"/subscriptions/{{subscriptionId}}{PROVIDER}/locations/{{location}}"
_ACTIONS = {
    "containerGroups/read": "Get all container groups.",
    "containerGroups/write": "Create or update a container group.",
    "containerGroups/delete": "Delete a container group.",
    "containerGroups/start/action": "Start all containers of a group.",
    "containerGroups/stop/action": "Stop all containers of a group.",
    "containerGroups/restart/action": "Restart all containers of a group.",
    "containerGroups/containers/logs/read": "Get the logs of a container.",
}


class LocationHandlers:
    """Handlers of locations and of the provider."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        link = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
        link += f"/virtualNetworks/{{virtualNetworkName}}/subnets/{{subnetName}}{PROVIDER}"
        rows = (
            ("GET", f"{PROVIDER}/operations", self.list_operations),
            ("GET", f"{_LOCATION}/usages", self.usage),
            ("GET", f"{_LOCATION}/cachedImages", self.cached_images),
            ("GET", f"{_LOCATION}/capabilities", self.capabilities),
            ("DELETE", f"{link}/serviceAssociationLinks/default", self.delete_link),
        )
        return tuple(Operation(method=method, template=path, handler=handler) for method, path, handler in rows)

    async def list_operations(self, call: Call) -> Response:
        provider = "Microsoft Container Instance"
        found = [
            {
                "name": f"Microsoft.ContainerInstance/{action}",
                "display": {
                    "provider": provider,
                    "resource": action.split("/")[0],
                    "operation": text,
                    "description": text,
                },
                "origin": "User",
            }
            for action, text in _ACTIONS.items()
        ]
        return answer(call, 200, {"value": found})

    async def usage(self, call: Call) -> Response:
        """How many groups there are; the limit is Azure's default and not enforced."""
        usage = {
            "id": f"{call.path}/ContainerGroups",
            "unit": "Count",
            "currentValue": len(self._engine.context.groups),
            "limit": GROUP_LIMIT,
            "name": {"value": "ContainerGroups", "localizedValue": "Container Groups"},
        }
        return answer(call, 200, {"value": [usage]})

    async def cached_images(self, call: Call) -> Response:
        """Always empty: no image is ever pulled."""
        return answer(call, 200, {"value": []})

    async def capabilities(self, call: Call) -> Response:
        """What Azure gives a Linux group at most; not enforced."""
        capability = {
            "resourceType": "containerGroups",
            "osType": "Linux",
            "location": call.parameters["location"],
            "ipAddressType": "Public",
            "gpu": "None",
            "capabilities": {"maxMemoryInGB": 16, "maxCpu": 4, "maxGpuCount": 0},
        }
        return answer(call, 200, {"value": [capability]})

    async def delete_link(self, call: Call) -> Response:
        """There is never a link between a subnet and local containers."""
        return answer(call, 204)
