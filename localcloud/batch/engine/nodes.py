"""The life of single nodes: created, used, rebooted, evicted, removed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.engine.attempts import Attempts, Ending
from localcloud.batch.engine.boots import Boots
from localcloud.batch.engine.context import Context
from localcloud.batch.state.node import USABLE, Node, NodeAction, NodeState
from localcloud.batch.state.pool import Pool

_ENDING = {
    DeallocationOption.REQUEUE: Ending.REQUEUE,
    DeallocationOption.TERMINATE: Ending.TERMINATE,
}
"""What happens to tasks at once; the other options wait for them to complete."""
_ACTION_STATES = {
    NodeAction.REMOVE: NodeState.LEAVING_POOL,
    NodeAction.REBOOT: NodeState.REBOOTING,
    NodeAction.REIMAGE: NodeState.REIMAGING,
    NodeAction.DEALLOCATE: NodeState.DEALLOCATING,
}


@dataclass(slots=True, kw_only=True)
class Capacity:
    """What this machine gives to pools; changed while the emulator runs."""

    nodes: int
    """How many nodes all pools together may have; evicted ones do not count."""
    low_priority_nodes: int | None = None
    """A tighter bound for low-priority nodes, or None."""
    boot_s: float = 0.0
    """How long a node takes to come up."""


class Nodes:
    """Makes, changes and removes nodes."""

    def __init__(self, context: Context, attempts: Attempts, boots: Boots) -> None:
        self._context = context
        self._attempts = attempts
        self._boots = boots
        self.capacity = Capacity(nodes=context.settings.nodes, boot_s=context.settings.boot_s)

    def has_room(self, *, dedicated: bool) -> bool:
        """Whether the quota allows one more node of this kind."""
        live = [node for node in self._context.account.nodes if node.state is not NodeState.PREEMPTED]
        bound = self.capacity.low_priority_nodes
        if not dedicated and bound is not None and sum(not node.dedicated for node in live) >= bound:
            return False
        return len(live) < self.capacity.nodes

    def create(self, pool: Pool, *, dedicated: bool, delay_s: float) -> Pool:
        """Make one node, which comes up `delay_s` later than usual. Returns the pool, which counts it."""
        now = self._context.clock.now()
        pool = self._context.account.pools.put(replace(pool, nodes_made=pool.nodes_made + 1))
        digest = hashlib.sha256(f"{pool.id.lower()}/{pool.nodes_made}".encode()).hexdigest()[:16]
        node = Node(
            id=f"tvmps_{digest}_{'d' if dedicated else 'p'}",
            pool_id=pool.id,
            number=pool.nodes_made,
            dedicated=dedicated,
            vm_size=pool.body.vm_size,
            allocated_at=now,
            booted_at=now,
            state_at=now,
        )
        self._put(node, "creating", dedicated=dedicated)
        self._boots.begin(node, delay_s=self.capacity.boot_s + delay_s, wipe=True)
        return pool

    def pend(self, node: Node, action: NodeAction, option: DeallocationOption) -> Node:
        """Let something happen to a node, its tasks treated as `option` says."""
        changed = replace(node, pending=action, option=option)
        if option in _ENDING or not self._attempts.on_node(node):
            changed = changed.moved(self._context.clock.now(), _ACTION_STATES[action])
        return self._put(changed, f"{action.value} asked", option=option.value)

    def recall(self, node: Node) -> Node:
        """Keep a node that was waiting for its tasks before it leaves."""
        state = NodeState.RUNNING if self._attempts.on_node(node) else NodeState.IDLE
        changed = replace(node, pending=None, option=None)
        return self._put(changed.moved(self._context.clock.now(), state), "recalled")

    def evict(self, node: Node, *, grace_s: float, return_after_s: float | None) -> Node:
        """Take a node away as Azure takes Spot capacity: its tasks are requeued, it stays listed as `preempted`.

        It comes back after `return_after_s` if the quota allows it then; with None, when a new quota is set.
        """
        now = self._context.clock.now()
        back = None if return_after_s is None else now + timedelta(seconds=return_after_s)
        self._boots.cancel(node)
        self._attempts.end(self._attempts.on_node(node), Ending.LOST, grace_s=grace_s)
        changed = replace(node, pending=None, option=None, return_at=back, start_task=None)
        return self._put(changed.moved(now, NodeState.PREEMPTED), "preempted")

    def fail(self, node: Node, message: str) -> Node:
        """Make a node unusable; its tasks are requeued."""
        self._boots.cancel(node)
        self._attempts.end(self._attempts.on_node(node), Ending.LOST, grace_s=0)
        changed = replace(node, error=message).moved(self._context.clock.now(), NodeState.UNUSABLE)
        return self._put(changed, "unusable")

    def start(self, node: Node) -> Node:
        """Bring a deallocated node up again."""
        started = self._put(node.moved(self._context.clock.now(), NodeState.STARTING), "starting")
        self._boots.begin(node, delay_s=self.capacity.boot_s, wipe=False)
        return started

    def restart(self, node: Node) -> None:
        """Bring a node up again whose emulator was started anew."""
        node = self._put(node.moved(self._context.clock.now(), NodeState.STARTING), "starting")
        self._boots.begin(node, delay_s=0.0, wipe=False)

    def let_preempted_return(self) -> None:
        """Let all evicted nodes come back as soon as the quota allows it."""
        now = self._context.clock.now()
        for node in self._context.account.nodes:
            if node.state is NodeState.PREEMPTED:
                self._context.account.nodes.put(replace(node, return_at=now))

    def advance(self, nodes: Sequence[Node], now: datetime) -> datetime | None:
        """Do what is due for some nodes. Returns when something falls due next."""
        due = [self._advance(node, now) for node in nodes]
        return min((at for at in due if at is not None), default=None)

    def _advance(self, node: Node, now: datetime) -> datetime | None:
        if node.pending is not None:
            self._go_on(node, node.pending)
        elif node.state is NodeState.PREEMPTED:
            return self._maybe_return(node, now)
        elif node.state in USABLE:
            state = NodeState.RUNNING if self._attempts.on_node(node) else NodeState.IDLE
            if state is not node.state:
                self._context.account.nodes.put(node.moved(now, state))
        return None

    def _go_on(self, node: Node, action: NodeAction) -> None:
        attempts = self._attempts.on_node(node)
        ending = _ENDING.get(node.option) if node.option else None
        if ending is not None:
            self._attempts.end(attempts, ending)
        self._boots.cancel(node)
        if attempts or self._boots.busy(node):
            return
        if action is NodeAction.REMOVE:
            self._context.account.nodes.remove(node)
            self._context.folders.drop_node(node)
            self._context.ledger.note("node", node.id, "removed", pool=node.pool_id)
            self._context.signals.wake()
        elif action is NodeAction.DEALLOCATE:
            changed = replace(node, pending=None, option=None)
            self._put(changed.moved(self._context.clock.now(), NodeState.DEALLOCATED), "deallocated")
        else:
            changed = replace(node, pending=None, option=None)
            self._put(changed.moved(self._context.clock.now(), _ACTION_STATES[action]), f"{action.value} begun")
            self._boots.begin(node, delay_s=self.capacity.boot_s, wipe=action is NodeAction.REIMAGE)

    def _maybe_return(self, node: Node, now: datetime) -> datetime | None:
        if node.return_at is None or self._attempts.on_node(node) or self._boots.busy(node):
            return None
        if node.return_at > now:
            return node.return_at
        if self.has_room(dedicated=node.dedicated):
            changed = replace(node, return_at=None, allocated_at=now)
            self._put(changed.moved(now, NodeState.CREATING), "creating")
            self._boots.begin(node, delay_s=self.capacity.boot_s, wipe=True)
        return None

    def _put(self, node: Node, event: str, **more: object) -> Node:
        self._context.ledger.note("node", node.id, event, pool=node.pool_id, **more)
        self._context.signals.wake()
        return self._context.account.nodes.put(node)
