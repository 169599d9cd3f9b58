"""Operations on container groups and their containers."""

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import urlencode

from starlette.responses import Response

from localcloud.containers.bodies import GroupBody, GroupUpdate
from localcloud.containers.engine import Engine
from localcloud.containers.http.arm import API_VERSION, OPERATIONS_VERSION, POLL_AFTER_MS, answer, read_body
from localcloud.containers.http.rules import check_group, check_replacement, new_group
from localcloud.containers.logs import read_log
from localcloud.containers.state import Group, Wish, group_key
from localcloud.containers.views import group_view
from localcloud.emulation.faults import FaultEvent, FaultKind
from localcloud.emulation.routing import Call, Operation, ServiceError

PROVIDER = "/providers/Microsoft.ContainerInstance"
GROUPS = f"/subscriptions/{{subscriptionId}}/resourceGroups/{{resourceGroupName}}{PROVIDER}/containerGroups"
GROUP = f"{GROUPS}/{{containerGroupName}}"
OPERATION = f"/subscriptions/{{subscriptionId}}{PROVIDER}/locations/{{location}}/operations/{{operationId}}"


class GroupHandlers:
    """Handlers of groups."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        rows = (
            ("GET", f"/subscriptions/{{subscriptionId}}{PROVIDER}/containerGroups", self.list),
            ("GET", GROUPS, self.list),
            ("GET", GROUP, self.get),
            ("PUT", GROUP, self.put),
            ("PATCH", GROUP, self.update),
            ("DELETE", GROUP, self.delete),
            ("POST", f"{GROUP}/start", self.start),
            ("POST", f"{GROUP}/stop", self.stop),
            ("POST", f"{GROUP}/restart", self.restart),
            ("GET", f"{GROUP}/outboundNetworkDependenciesEndpoints", self.outbound),
            ("GET", f"{GROUP}/containers/{{containerName}}/logs", self.logs),
            ("GET", OPERATION, self.operation),
        )
        return tuple(Operation(method=method, template=path, handler=handler) for method, path, handler in rows)

    async def put(self, call: Call) -> Response:
        body = read_body(call, GroupBody)
        check_group(body)
        existing = self._existing(call)
        if existing is not None:
            check_replacement(existing, body)
            existing = self._engine.tag(existing, body.tags)
            return answer(call, 200, group_view(existing, with_state=True), self._progress(call, existing))
        group = new_group(call, body, self._engine.context.clock.now())
        for fault in self._engine.context.faults.at(FaultEvent.GROUP_CREATING, group.name):
            if fault.rule.do is FaultKind.FAIL:
                raise ServiceError(fault.rule.status, fault.rule.code, "The fault script refused this group.")
        view = group_view(self._engine.create(group), with_state=True)
        view["properties"]["provisioningState"] = "Pending"
        return answer(call, 201, view, self._progress(call, group))

    async def get(self, call: Call) -> Response:
        return answer(call, 200, group_view(self._group(call), with_state=True))

    async def list(self, call: Call) -> Response:
        """One page of groups, of a resource group or the whole subscription, by id."""
        size, after = self._engine.context.settings.page_size, _after(call)
        found = sorted(self._visible(call), key=lambda group: group.id.lower())
        page = [group for group in found if group.id.lower() > after]
        body: dict[str, object] = {"value": [group_view(group, with_state=False) for group in page[:size]]}
        if len(page) > size:
            body["nextLink"] = _next_link(call, page[size - 1])
        return answer(call, 200, body)

    async def update(self, call: Call) -> Response:
        group = self._group(call)
        given = read_body(call, GroupUpdate)
        if "tags" in given.model_fields_set:
            group = self._engine.tag(group, given.tags)
        return answer(call, 200, group_view(group, with_state=True))

    async def delete(self, call: Call) -> Response:
        """Gone at once when nothing runs; else 202 and an address to ask until it is."""
        group = self._existing(call)
        if group is None:
            return answer(call, 204)
        view = group_view(group, with_state=True)
        if group.wish is Wish.DELETE or not self._engine.delete(group):
            return answer(call, 202, headers={"Location": self._address(call, group), **_soon()})
        return answer(call, 200, view)

    async def start(self, call: Call) -> Response:
        self._engine.start(self._group(call))
        return answer(call, 204)

    async def stop(self, call: Call) -> Response:
        self._engine.stop(self._group(call))
        return answer(call, 204)

    async def restart(self, call: Call) -> Response:
        self._engine.restart(self._group(call))
        return answer(call, 204)

    async def outbound(self, call: Call) -> Response:
        """Always empty: local containers reach whatever this machine does."""
        self._group(call)
        return answer(call, 200, [])

    async def logs(self, call: Call) -> Response:
        group = self._group(call)
        container = group.container(call.parameters["containerName"])
        if container is None:
            name = call.parameters["containerName"]
            raise ServiceError(404, "ContainerNotFound", f"The group has no container {name!r}.")
        path = self._engine.context.folders.log(group, container.name)
        timestamps = call.query.get("timestamps", "false").lower() == "true"
        return answer(call, 200, {"content": read_log(path, tail=_tail(call), timestamps=timestamps)})

    async def operation(self, call: Call) -> Response:
        """How far a creation or deletion is: a deletion answers 202 until the group is gone."""
        group = self._engine.context.groups.get(_decode(call.parameters["operationId"]))
        if group is None:
            return answer(call, 204)
        if group.wish is Wish.DELETE:
            return answer(call, 202, headers={"Location": self._address(call, group), **_soon()})
        return answer(call, 200, {"id": call.path, "name": call.parameters["operationId"], "status": "Succeeded"})

    def _visible(self, call: Call) -> Iterable[Group]:
        subscription, resource_group = call.parameters["subscriptionId"], call.parameters.get("resourceGroupName")
        for group in self._engine.context.groups:
            if group.subscription.lower() != subscription.lower():
                continue
            if resource_group is None or group.resource_group.lower() == resource_group.lower():
                yield group

    def _existing(self, call: Call) -> Group | None:
        names = ("subscriptionId", "resourceGroupName", "containerGroupName")
        return self._engine.context.groups.get(group_key(*(call.parameters[name] for name in names)))

    def _group(self, call: Call) -> Group:
        group = self._existing(call)
        if group is None:
            resource = f"Microsoft.ContainerInstance/containerGroups/{call.parameters['containerGroupName']}"
            where = f"resource group '{call.parameters['resourceGroupName']}'"
            raise ServiceError(404, "ResourceNotFound", f"The Resource '{resource}' under {where} was not found.")
        return group

    def _progress(self, call: Call, group: Group) -> dict[str, str]:
        return {"Azure-AsyncOperation": self._address(call, group), **_soon()}

    def _address(self, call: Call, group: Group) -> str:
        path = f"/subscriptions/{group.subscription}{PROVIDER}/locations/{group.location}/operations"
        return f"{call.base_url}{path}/{_encode(group.key)}?api-version={OPERATIONS_VERSION}"


def _soon() -> dict[str, str]:
    return {"retry-after-ms": POLL_AFTER_MS}


def _tail(call: Call) -> int | None:
    text = call.query.get("tail")
    if text is None:
        return None
    if not text.isdecimal():
        raise ServiceError(400, "InvalidQueryParameter", f"tail must be a whole number, not {text!r}.")
    return int(text)


def _next_link(call: Call, last: Group) -> str:
    query = {"api-version": API_VERSION, "$skiptoken": _encode(last.id.lower())}
    return f"{call.base_url}{call.path}?{urlencode(query)}"


def _after(call: Call) -> str:
    token = call.query.get("$skiptoken")
    return _decode(token) if token else ""


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        raise ServiceError(400, "InvalidToken", f"{token!r} is not one of ours.") from None
