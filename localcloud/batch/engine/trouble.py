"""Faults of the script that meet nodes and tasks: evictions, kills, slow and failed allocations."""

import asyncio
import signal
from collections.abc import Callable

from localcloud.batch.engine.attempts import Attempts
from localcloud.batch.engine.context import Context
from localcloud.batch.engine.nodes import Nodes
from localcloud.batch.state.node import Node, NodeState
from localcloud.batch.state.pool import ResizeProblem
from localcloud.batch.state.task import Task
from localcloud.emulation.faults import Fault, FaultEvent, FaultKind, Faults


def luck_of(faults: Faults, pool_id: str) -> tuple[float, ResizeProblem | None]:
    """What the script has for the next node of a pool: a delay in seconds, or the reason why it does not come."""
    delay_s = 0.0
    for fault in faults.at(FaultEvent.NODE_ALLOCATING, pool_id):
        if fault.rule.do is FaultKind.FAIL:
            return 0.0, ResizeProblem(code=fault.rule.code, message="The fault script refused this node.")
        delay_s += fault.after_s
    return delay_s, None


class Trouble:
    """Carries out what the script has for running tasks and ready nodes."""

    def __init__(self, context: Context, faults: Faults, attempts: Attempts, nodes: Nodes) -> None:
        self._context = context
        self._faults = faults
        self._attempts = attempts
        self._nodes = nodes

    def task_started(self, task: Task) -> None:
        """A task's program runs."""
        for fault in self._faults.at(FaultEvent.TASK_STARTED, task.id):
            if fault.rule.do is FaultKind.KILL:
                self._later(fault, lambda: self._kill(task))
            elif task.placement:
                place = task.placement
                self._harm_later(fault, place.pool_id, place.node_id)

    def node_ready(self, node: Node) -> None:
        """A node has come up."""
        for fault in self._faults.at(FaultEvent.NODE_READY, node.id):
            self._harm_later(fault, node.pool_id, node.id)

    def _harm_later(self, fault: Fault, pool_id: str, node_id: str) -> None:
        self._later(fault, lambda: self._harm(fault, pool_id, node_id))

    def _harm(self, fault: Fault, pool_id: str, node_id: str) -> None:
        node = self._context.account.node(pool_id, node_id)
        if node is None or node.state is NodeState.PREEMPTED:
            return
        if fault.rule.do is FaultKind.EVICT:
            self._nodes.evict(node, grace_s=fault.rule.grace_s or 0.0, return_after_s=fault.rule.return_after_s)
        elif fault.rule.do is FaultKind.UNUSABLE:
            self._nodes.fail(node, "The fault script made this node unusable.")
        self._context.signals.wake()

    def _kill(self, task: Task) -> None:
        attempt = self._attempts.get(task.job_id, task.id)
        if attempt and attempt.child:
            attempt.child.signal(signal.SIGKILL)

    def _later(self, fault: Fault, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(fault.after_s, act)
