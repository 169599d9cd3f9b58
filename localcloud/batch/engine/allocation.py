"""Pools on the way to their targets: which nodes to make, to keep and to let go."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from localcloud.batch.autoscale.formula import Targets
from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.engine.attempts import Attempts
from localcloud.batch.engine.context import Context
from localcloud.batch.engine.nodes import Nodes
from localcloud.batch.state.node import BOOTING, USABLE, Node, NodeAction, NodeState
from localcloud.batch.state.pool import Allocation, Pool, PoolState, ResizeProblem

_STOPPED = ResizeProblem(code="ResizeStopped", message="The resize was stopped before it was complete.")
_TIMED_OUT = ResizeProblem(code="AllocationTimedOut", message="The resize was not complete within its timeout.")
_QUOTA = {
    True: ResizeProblem(
        code="AccountCoreQuotaReached",
        message="The emulator's quota of nodes is reached (--nodes, /_emulator/capacity).",
    ),
    False: ResizeProblem(
        code="AccountSpotCoreQuotaReached",
        message="The emulator's quota of low-priority nodes is reached (--nodes, /_emulator/capacity).",
    ),
}


Luck = Callable[[str], tuple[float, ResizeProblem | None]]
"""For a pool's id: how much later than usual its next node comes up, and why it does not come at all."""


class Allocator:
    """Brings the nodes of pools to their targets."""

    def __init__(self, context: Context, nodes: Nodes, attempts: Attempts, luck: Luck) -> None:
        self._context = context
        self._nodes = nodes
        self._attempts = attempts
        self._luck = luck

    def resize(self, pool: Pool, targets: Targets, timeout: timedelta | None = None) -> Pool:
        """Set out for other targets."""
        self._context.ledger.note(
            "pool", pool.id, "resizing", dedicated=targets.dedicated, low_priority=targets.low_priority
        )
        return self._context.account.pools.put(pool.resizing(self._context.clock.now(), targets, timeout))

    def stop(self, pool: Pool) -> Pool:
        """Stop on the way: what is there stays, what is not is not made."""
        return self._context.account.pools.put(replace(pool, allocation=Allocation.STOPPING))

    def remove(self, pool: Pool, nodes: Sequence[Node], option: DeallocationOption, timeout: timedelta | None) -> Pool:
        """Let certain nodes go, and lower the targets by them."""
        for node in nodes:
            self._nodes.pend(node, NodeAction.REMOVE, option)
        gone = sum(node.dedicated for node in nodes)
        targets = Targets(
            dedicated=max(0, pool.targets.dedicated - gone),
            low_priority=max(0, pool.targets.low_priority - (len(nodes) - gone)),
            option=option,
        )
        return self.resize(pool, targets, timeout)

    def advance(self, now: datetime) -> datetime | None:
        """Do what is due for all pools. Returns when something falls due next."""
        due = [at for pool in self._context.account.pools if (at := self._advance(pool, now)) is not None]
        return min(due, default=None)

    def short_of(self, pool: Pool) -> bool:
        """Whether a pool has fewer nodes than it wants although there is room for one."""
        nodes = _staying(self._context.account.nodes_of(pool.id))
        have = {kind: sum(node.dedicated is kind for node in nodes) for kind in (True, False)}
        return any(have[kind] < _wanted(pool, kind) and self._nodes.has_room(dedicated=kind) for kind in (True, False))

    def _advance(self, pool: Pool, now: datetime) -> datetime | None:
        nodes = self._context.account.nodes_of(pool.id)
        if pool.state is PoolState.DELETING:
            self._delete(pool, nodes)
            return self._nodes.advance(self._context.account.nodes_of(pool.id), now)
        if pool.allocation is not Allocation.STEADY:
            pool = self._go_on(pool, nodes, now)
        due = (pool.resize_deadline, self._nodes.advance(self._context.account.nodes_of(pool.id), now))
        self._settle(pool, now)
        return min((at for at in due if at is not None), default=None)

    def _delete(self, pool: Pool, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if node.stays:
                self._nodes.pend(node, NodeAction.REMOVE, DeallocationOption.REQUEUE)
        if not nodes:
            self._context.account.pools.remove(pool)
            self._context.ledger.note("pool", pool.id, "deleted")

    def _go_on(self, pool: Pool, nodes: Sequence[Node], now: datetime) -> Pool:
        timed_out = pool.resize_deadline is not None and now >= pool.resize_deadline
        if pool.allocation is Allocation.STOPPING or timed_out:
            return self._give_up(pool, nodes, now, _TIMED_OUT if timed_out else _STOPPED)
        problems: list[ResizeProblem] = []
        for dedicated in (True, False):
            pool, found = self._fit(pool, [node for node in nodes if node.dedicated is dedicated], dedicated=dedicated)
            problems += found
        return self._context.account.pools.put(replace(pool, resize_problems=tuple(problems)))

    def _fit(self, pool: Pool, nodes: Sequence[Node], *, dedicated: bool) -> tuple[Pool, list[ResizeProblem]]:
        """Bring one kind of nodes to its target, as far as that goes now."""
        wanted, staying = _wanted(pool, dedicated), _staying(nodes)
        for node in self._least_useful(staying)[: max(0, len(staying) - wanted)]:
            self._nodes.pend(node, NodeAction.REMOVE, pool.targets.option)
        missing = wanted - len(staying)
        for node in nodes:
            if missing > 0 and not node.stays and node.state in USABLE:
                self._nodes.recall(node)
                missing -= 1
        for _ in range(missing):
            if not self._nodes.has_room(dedicated=dedicated):
                return pool, [_QUOTA[dedicated]]
            delay_s, problem = self._meet_luck(pool)
            if problem:
                return pool, [problem]
            pool = self._nodes.create(pool, dedicated=dedicated, delay_s=delay_s)
        return pool, []

    def _meet_luck(self, pool: Pool) -> tuple[float, ResizeProblem | None]:
        """What a new node meets; a refusal holds for the rest of the resize."""
        earlier = next((problem for problem in pool.resize_problems if problem not in _QUOTA.values()), None)
        return (0.0, earlier) if earlier else self._luck(pool.id)

    def _give_up(self, pool: Pool, nodes: Sequence[Node], now: datetime, problem: ResizeProblem) -> Pool:
        for node in nodes:
            if not node.stays and node.state in USABLE:
                self._nodes.recall(node)
            elif node.stays and node.state is NodeState.CREATING:
                self._nodes.pend(node, NodeAction.REMOVE, DeallocationOption.REQUEUE)
        kept = _staying(self._context.account.nodes_of(pool.id))
        if problem is _STOPPED:
            dedicated = sum(node.dedicated for node in kept)
            targets = replace(pool.targets, dedicated=dedicated, low_priority=len(kept) - dedicated)
            pool = replace(pool, targets=targets)
        return self._be_steady(pool, now, (problem,))

    def _settle(self, pool: Pool, now: datetime) -> None:
        """A resize is over when nobody is leaving and no node is still being made."""
        if pool.allocation is not Allocation.RESIZING:
            return
        nodes = self._context.account.nodes_of(pool.id)
        if all(node.stays and node.state is not NodeState.CREATING for node in nodes):
            self._be_steady(pool, now, pool.resize_problems)

    def _be_steady(self, pool: Pool, now: datetime, problems: tuple[ResizeProblem, ...]) -> Pool:
        codes = [problem.code for problem in problems]
        self._context.ledger.note(
            "pool", pool.id, "steady", problems=codes, nodes=len(self._context.account.nodes_of(pool.id))
        )
        return self._context.account.pools.put(pool.steady(now, problems))

    def _least_useful(self, nodes: Iterable[Node]) -> list[Node]:
        """Broken nodes first, then those on their way up, idle ones, and those with the fewest tasks."""

        def usefulness(node: Node) -> _Usefulness:
            rank = 2 if node.state in USABLE else 1 if node.state in BOOTING else 0
            return _Usefulness(rank=rank, tasks=len(self._attempts.on_node(node)), age=-node.number)

        return sorted(nodes, key=usefulness)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Usefulness:
    """Sorts nodes by what would be lost with them; of equals the youngest goes first."""

    rank: int
    tasks: int
    age: int


def _staying(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if node.stays]


def _wanted(pool: Pool, dedicated: bool) -> int:
    return pool.targets.dedicated if dedicated else pool.targets.low_priority
