"""The emulator's own endpoints of Batch: what this machine gives, and evictions."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from localcloud.batch.bodies.base import Body, Count
from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.answers import read_body, read_optional_body
from localcloud.batch.http.lookups import find_node
from localcloud.emulation.json_bodies import json_response
from localcloud.emulation.routing import Call, Operation

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CapacityBody(Body):
    """What to change; what is absent stays, `lowPriorityNodes: null` lifts that bound."""

    nodes: Count | None = None
    low_priority_nodes: Count | None = None
    boot_seconds: Seconds | None = None


class Eviction(Body):
    """How a node is taken away: no grace, and no return before capacity is set anew, unless said otherwise."""

    grace_seconds: Seconds = 0.0
    return_after_seconds: Seconds | None = None


class AdminHandlers:
    """Handlers of capacity and evictions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        evict = "/_emulator/pools/{poolId}/nodes/{nodeId}/evict"
        return (
            Operation(method="GET", template="/_emulator/capacity", handler=self.read_capacity),
            Operation(method="PUT", template="/_emulator/capacity", handler=self.set_capacity),
            Operation(method="POST", template=evict, handler=self.evict),
        )

    async def read_capacity(self, _: Call) -> Response:
        return json_response(200, self._capacity())

    async def set_capacity(self, call: Call) -> Response:
        """Set quotas and boot time; evicted nodes come back as far as the new quota allows."""
        given, capacity = read_body(call, CapacityBody), self._engine.nodes.capacity
        if given.nodes is not None:
            capacity.nodes = given.nodes
        if "low_priority_nodes" in given.model_fields_set:
            capacity.low_priority_nodes = given.low_priority_nodes
        if given.boot_seconds is not None:
            capacity.boot_s = given.boot_seconds
        self._engine.nodes.let_preempted_return()
        self._engine.wake()
        return json_response(200, self._capacity())

    async def evict(self, call: Call) -> Response:
        """Evict a node as Azure evicts Spot nodes."""
        node, given = find_node(self._engine, call), read_optional_body(call, Eviction)
        self._engine.nodes.evict(node, grace_s=given.grace_seconds, return_after_s=given.return_after_seconds)
        self._engine.wake()
        return json_response(202, {})

    def _capacity(self) -> dict[str, Any]:
        capacity = self._engine.nodes.capacity
        return {
            "nodes": capacity.nodes,
            "lowPriorityNodes": capacity.low_priority_nodes,
            "bootSeconds": capacity.boot_s,
        }
