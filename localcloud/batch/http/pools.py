"""Operations on pools."""

from typing import Any

from starlette.responses import Response

from localcloud.batch.autoscale.formula import Targets
from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.bodies.pools import (
    EnableAutoScale,
    EvaluateAutoScale,
    PoolBody,
    PoolPatch,
    PoolReplacement,
    RemoveNodes,
    Resize,
)
from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.answers import Answers, patched, read_body
from localcloud.batch.http.images import SUPPORTED_IMAGES
from localcloud.batch.http.listing import Listed, list_page, paths
from localcloud.batch.http.lookups import find_pool, find_stable_pool
from localcloud.batch.http.odata import expands_statistics, select
from localcloud.batch.http.pool_rules import (
    check_formula,
    check_interval,
    check_pool,
    check_resize_timeout,
    new_pool,
)
from localcloud.batch.http.refusals import refuse
from localcloud.batch.state.node import Node
from localcloud.batch.state.pool import DEFAULT_EVALUATION_INTERVAL, Allocation, AutoScale, Pool, PoolState
from localcloud.batch.views.common import Addresses
from localcloud.batch.views.pools import autoscale_run_view, node_counts_view, pool_statistics, pool_view
from localcloud.emulation.routing import Call, Operation

PROPERTIES = paths(
    """id displayName url eTag lastModified creationTime state stateTransitionTime allocationState
    allocationStateTransitionTime vmSize virtualMachineConfiguration resizeTimeout resizeErrors currentDedicatedNodes
    currentLowPriorityNodes targetDedicatedNodes targetLowPriorityNodes enableAutoScale autoScaleFormula
    autoScaleEvaluationInterval autoScaleRun enableInterNodeCommunication networkConfiguration startTask
    applicationPackageReferences taskSlotsPerNode taskSchedulingPolicy userAccounts metadata stats mountConfiguration
    identity upgradePolicy"""
)
_COUNT_PROPERTIES = frozenset({"poolId"})


class PoolHandlers:
    """Handlers of pools."""

    def __init__(self, engine: Engine, answers: Answers, addresses: Addresses) -> None:
        self._engine = engine
        self._answers = answers
        self._addresses = addresses

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        rows = (
            ("GET", "/pools", self.list),
            ("POST", "/pools", self.create),
            ("GET", "/pools/{poolId}", self.get),
            ("HEAD", "/pools/{poolId}", self.exists),
            ("PATCH", "/pools/{poolId}", self.update),
            ("DELETE", "/pools/{poolId}", self.delete),
            ("POST", "/pools/{poolId}/updateproperties", self.replace),
            ("POST", "/pools/{poolId}/enableautoscale", self.enable_autoscale),
            ("POST", "/pools/{poolId}/disableautoscale", self.disable_autoscale),
            ("POST", "/pools/{poolId}/evaluateautoscale", self.evaluate_autoscale),
            ("POST", "/pools/{poolId}/resize", self.resize),
            ("POST", "/pools/{poolId}/stopresize", self.stop_resize),
            ("POST", "/pools/{poolId}/removenodes", self.remove_nodes),
            ("GET", "/nodecounts", self.node_counts),
            ("GET", "/supportedimages", self.supported_images),
        )
        return tuple(Operation(method=method, template=path, handler=handler) for method, path, handler in rows)

    async def create(self, call: Call) -> Response:
        pool = new_pool(read_body(call, PoolBody), self._engine.context.clock.now())
        if existing := self._engine.account.pools.get(pool.id):
            deleting = existing.state is PoolState.DELETING
            raise refuse("PoolBeingDeleted" if deleting else "PoolExists", "A pool with this id is there already.")
        pool = self._engine.account.pools.put(pool)
        self._engine.context.ledger.note("pool", pool.id, "created", vm_size=pool.body.vm_size)
        if pool.targets.dedicated or pool.targets.low_priority:
            pool = self._engine.allocator.resize(pool, pool.targets)
        return self._done(call, pool, 201)

    async def list(self, call: Call) -> Response:
        statistics = expands_statistics(call.query.get("$expand"))
        return list_page(
            call,
            self._answers,
            Listed(
                kind="pools",
                items=self._engine.account.pools,
                key=lambda pool: pool.id.lower(),
                cheap=lambda pool: self._view(pool, statistics=statistics),
                properties=PROPERTIES,
            ),
        )

    async def get(self, call: Call) -> Response:
        pool = find_pool(self._engine, call)
        view = self._view(pool, statistics=expands_statistics(call.query.get("$expand")))
        shown = select(view, call.query.get("$select"), PROPERTIES)
        return self._answers.json(call, shown, kind="pools/@Element", modified_at=pool.modified_at)

    async def exists(self, call: Call) -> Response:
        pool = find_pool(self._engine, call)
        return self._answers.empty(call, 200, modified_at=pool.modified_at)

    async def update(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        body = patched(call, PoolPatch, pool.body, PoolBody)
        check_pool(body)
        return self._done(call, self._put(pool.changed(self._engine.context.clock.now(), body)), 200)

    async def replace(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        given = read_body(call, PoolReplacement)
        changes = {name: getattr(given, name) for name in PoolReplacement.model_fields}
        body = pool.body.model_copy(update=changes)
        check_pool(body)
        return self._done(call, self._put(pool.changed(self._engine.context.clock.now(), body)), 204)

    async def delete(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        self._engine.context.ledger.note("pool", pool.id, "deleting")
        return self._done(call, self._put(pool.deleting(self._engine.context.clock.now())), 202)

    async def enable_autoscale(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        given = read_body(call, EnableAutoScale)
        if given.auto_scale_formula is None and given.auto_scale_evaluation_interval is None:
            raise refuse("InvalidAutoScalingSettings", "Give a formula, an evaluation interval, or both.")
        if pool.autoscale is None and pool.allocation is not Allocation.STEADY:
            raise refuse("PoolBeingResized", "The specified pool is being resized.")
        now = self._engine.context.clock.now()
        formula = given.auto_scale_formula or (pool.autoscale.formula if pool.autoscale else None)
        if formula is None:
            raise refuse("InvalidAutoScalingSettings", "A pool without a formula needs one.")
        interval = check_interval(given.auto_scale_evaluation_interval) or (
            pool.autoscale.interval if pool.autoscale else DEFAULT_EVALUATION_INTERVAL
        )
        autoscale = AutoScale(formula=check_formula(formula), interval=interval, enabled_at=now)
        return self._done(call, self._put(pool.scaled_by(now, autoscale)), 200)

    async def disable_autoscale(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        return self._done(call, self._put(pool.scaled_by(self._engine.context.clock.now(), None)), 200)

    async def evaluate_autoscale(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        if pool.autoscale is None:
            raise refuse("OperationInvalidForCurrentState", "Autoscale is not enabled on the specified pool.")
        run = self._engine.scaling.evaluate(pool, check_formula(read_body(call, EvaluateAutoScale).auto_scale_formula))
        return self._answers.json(call, autoscale_run_view(run), kind="autoscalerun", modified_at=pool.modified_at)

    async def resize(self, call: Call) -> Response:
        pool = self._resizable(call)
        given = read_body(call, Resize)
        if given.target_dedicated_nodes is None and given.target_low_priority_nodes is None:
            raise refuse("MissingRequiredProperty", "Give targetDedicatedNodes, targetLowPriorityNodes, or both.")
        if pool.autoscale is not None:
            raise refuse("OperationInvalidForCurrentState", "Autoscale is enabled on the specified pool.")
        targets = Targets(
            dedicated=_or(given.target_dedicated_nodes, pool.targets.dedicated),
            low_priority=_or(given.target_low_priority_nodes, pool.targets.low_priority),
            option=given.node_deallocation_option or DeallocationOption.REQUEUE,
        )
        resized = self._engine.allocator.resize(pool, targets, check_resize_timeout(given.resize_timeout))
        return self._done(call, resized, 202)

    async def stop_resize(self, call: Call) -> Response:
        pool = find_stable_pool(self._engine, call)
        if pool.allocation is Allocation.RESIZING:
            pool = self._engine.allocator.stop(pool)
        return self._done(call, pool, 202)

    async def remove_nodes(self, call: Call) -> Response:
        pool = self._resizable(call)
        given = read_body(call, RemoveNodes)
        nodes = [self._node_of(pool, node_id) for node_id in dict.fromkeys(given.node_list)]
        option = given.node_deallocation_option or DeallocationOption.REQUEUE
        timeout = check_resize_timeout(given.resize_timeout)
        return self._done(call, self._engine.allocator.remove(pool, nodes, option, timeout), 202)

    async def node_counts(self, call: Call) -> Response:
        nodes_of = self._engine.account.nodes_of
        return list_page(
            call,
            self._answers,
            Listed(
                kind="poolnodecounts",
                items=self._engine.account.pools,
                key=lambda pool: pool.id.lower(),
                cheap=lambda pool: node_counts_view(pool, nodes_of(pool.id)),
                properties=_COUNT_PROPERTIES,
            ),
        )

    async def supported_images(self, call: Call) -> Response:
        return list_page(
            call,
            self._answers,
            Listed(
                kind="supportedimages",
                items=SUPPORTED_IMAGES,
                key=lambda image: f"{image['nodeAgentSKUId']}/{image['imageReference']['sku']}",
                cheap=dict,
                properties=frozenset({"osType", "verificationType", "nodeAgentSKUId"}),
            ),
        )

    def _view(self, pool: Pool, *, statistics: bool) -> dict[str, Any]:
        nodes = self._engine.account.nodes_of(pool.id)
        view = pool_view(pool, nodes, self._engine.scaling.last_run(pool), self._addresses)
        return view | ({"stats": pool_statistics(pool, self._addresses)} if statistics else {})

    def _resizable(self, call: Call) -> Pool:
        pool = find_stable_pool(self._engine, call)
        if pool.allocation is not Allocation.STEADY:
            raise refuse("PoolBeingResized", "The specified pool is being resized.")
        return pool

    def _node_of(self, pool: Pool, node_id: str) -> Node:
        node = self._engine.account.node(pool.id, node_id)
        if node is None:
            raise refuse("NodeNotFound", f"The specified node does not exist: {node_id}.")
        return node

    def _put(self, pool: Pool) -> Pool:
        return self._engine.account.pools.put(pool)

    def _done(self, call: Call, pool: Pool, status: int) -> Response:
        self._engine.wake()
        return self._answers.empty(call, status, modified_at=pool.modified_at, location=self._addresses.pool(pool.id))


def _or(given: int | None, current: int) -> int:
    return current if given is None else given
