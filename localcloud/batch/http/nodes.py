"""Operations on nodes."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.bodies.pools import Deallocate, DisableScheduling, Reboot, Reimage, UploadLogs
from localcloud.batch.engine.attempts import Ending
from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.answers import Answers, read_body, read_optional_body
from localcloud.batch.http.listing import Listed, list_page, paths
from localcloud.batch.http.lookups import find_node
from localcloud.batch.http.odata import select
from localcloud.batch.http.refusals import refuse
from localcloud.batch.state.node import USABLE, Node, NodeAction, NodeState
from localcloud.batch.views.common import Addresses
from localcloud.batch.views.pools import node_view, recent_task_view
from localcloud.emulation.routing import Call, Operation

PROPERTIES = paths(
    """id url state schedulingState stateTransitionTime lastBootTime allocationTime ipAddress ipv6Address affinityId
    vmSize totalTasksRun runningTasksCount runningTaskSlotsCount totalTasksSucceeded recentTasks startTask startTaskInfo
    errors isDedicated endpointConfiguration nodeAgentInfo virtualMachineInfo"""
)
_REBOOTABLE = USABLE | {NodeState.START_TASK_FAILED, NodeState.UNUSABLE}


class NodeHandlers:
    """Handlers of nodes."""

    def __init__(self, engine: Engine, answers: Answers, addresses: Addresses) -> None:
        self._engine = engine
        self._answers = answers
        self._addresses = addresses

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        node = "/pools/{poolId}/nodes/{nodeId}"
        rows = (
            ("GET", "/pools/{poolId}/nodes", self.list),
            ("GET", node, self.get),
            ("POST", f"{node}/reboot", self.reboot),
            ("POST", f"{node}/reimage", self.reimage),
            ("POST", f"{node}/deallocate", self.deallocate),
            ("POST", f"{node}/start", self.start),
            ("POST", f"{node}/disablescheduling", self.disable_scheduling),
            ("POST", f"{node}/enablescheduling", self.enable_scheduling),
            ("POST", f"{node}/uploadbatchservicelogs", self.upload_logs),
            ("GET", f"{node}/extensions", self.list_extensions),
            ("GET", f"{node}/extensions/{{extensionName}}", self.get_extension),
        )
        return tuple(Operation(method=method, template=path, handler=handler) for method, path, handler in rows)

    async def list(self, call: Call) -> Response:
        pool = self._engine.account.pools.get(call.parameters["poolId"])
        if pool is None:
            raise refuse("PoolNotFound", "The specified pool does not exist.")
        return list_page(
            call,
            self._answers,
            Listed(
                kind="nodes",
                items=self._engine.account.nodes_of(pool.id),
                key=lambda node: node.id.lower(),
                cheap=self._view,
                properties=PROPERTIES,
            ),
        )

    async def get(self, call: Call) -> Response:
        node = find_node(self._engine, call)
        shown = select(self._view(node), call.query.get("$select"), PROPERTIES)
        return self._answers.json(call, shown, kind="nodes/@Element")

    async def reboot(self, call: Call) -> Response:
        option = read_optional_body(call, Reboot).node_reboot_option
        return self._act(call, NodeAction.REBOOT, option)

    async def reimage(self, call: Call) -> Response:
        option = read_optional_body(call, Reimage).node_reimage_option
        return self._act(call, NodeAction.REIMAGE, option)

    async def deallocate(self, call: Call) -> Response:
        option = read_optional_body(call, Deallocate).node_deallocate_option
        return self._act(call, NodeAction.DEALLOCATE, option)

    async def start(self, call: Call) -> Response:
        node = find_node(self._engine, call)
        if node.state is not NodeState.DEALLOCATED:
            raise refuse("OperationInvalidForCurrentState", f"The node is {node.state.value}, not deallocated.")
        return self._done(call, self._engine.nodes.start(node), 202)

    async def disable_scheduling(self, call: Call) -> Response:
        node = find_node(self._engine, call)
        option = read_optional_body(call, DisableScheduling).node_disable_scheduling_option
        node = self._engine.account.nodes.put(replace(node, scheduling=False))
        attempts = self._engine.attempts.on_node(node)
        if option in {None, DeallocationOption.REQUEUE}:
            self._engine.attempts.end(attempts, Ending.REQUEUE)
        elif option is DeallocationOption.TERMINATE:
            self._engine.attempts.end(attempts, Ending.TERMINATE)
        return self._done(call, node, 200)

    async def enable_scheduling(self, call: Call) -> Response:
        node = find_node(self._engine, call)
        return self._done(call, self._engine.account.nodes.put(replace(node, scheduling=True)), 200)

    async def upload_logs(self, call: Call) -> Response:
        """Nothing is uploaded: a local node has no agent and so no agent's logs."""
        node = find_node(self._engine, call)
        read_body(call, UploadLogs)
        answer = {"virtualDirectoryName": f"{node.pool_id}/{node.id}", "numberOfFilesUploaded": 0}
        return self._answers.json(call, answer, kind="uploadbatchservicelogs")

    async def list_extensions(self, call: Call) -> Response:
        find_node(self._engine, call)
        return self._answers.json(call, {"value": []}, kind="extensions")

    async def get_extension(self, call: Call) -> Response:
        find_node(self._engine, call)
        raise refuse("VirtualMachineExtensionNotFound", "The specified node has no extensions.")

    def _act(self, call: Call, action: NodeAction, option: DeallocationOption | None) -> Response:
        node = find_node(self._engine, call)
        if node.state not in _REBOOTABLE or node.pending is not None:
            raise refuse("OperationInvalidForCurrentState", f"The node is {node.state.value}.")
        node = self._engine.nodes.pend(node, action, option or DeallocationOption.REQUEUE)
        return self._done(call, node, 202)

    def _view(self, node: Node) -> dict[str, Any]:
        account = self._engine.account
        pool = account.pools.get(node.pool_id)
        assert pool is not None  # nodes go before their pool does
        attempts = self._engine.attempts.on_node(node)
        running = [task for run in attempts if (task := account.tasks.get(run.job_id, run.task_id))]
        view = node_view(node, pool, running, self._addresses, sum(task.slots for task in running))
        traces = (account.tasks.get(trace.job_id, trace.task_id) for trace in node.recent)
        recent = [recent_task_view(task, self._addresses) for task in (*running, *traces) if task]
        return view | ({"recentTasks": recent} if recent else {})

    def _done(self, call: Call, node: Node, status: int) -> Response:
        self._engine.wake()
        return self._answers.empty(call, status, location=self._addresses.node(node.pool_id, node.id))
