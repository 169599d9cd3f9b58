"""Pools, their targets and how far their allocation is."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from localcloud.batch.autoscale.formula import Targets
from localcloud.batch.bodies.pools import FillType, PoolBody
from localcloud.batch.state.stamps import later

DEFAULT_RESIZE_TIMEOUT = timedelta(minutes=15)
DEFAULT_EVALUATION_INTERVAL = timedelta(minutes=15)


class PoolState(StrEnum):
    """Whether a pool is there to stay."""

    ACTIVE = "active"
    DELETING = "deleting"


class Allocation(StrEnum):
    """Whether a pool's nodes are as asked for."""

    STEADY = "steady"
    RESIZING = "resizing"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeProblem:
    """Why a pool has not got the nodes it asked for."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoScale:
    """A pool's formula. `interval` is what the pool states; the emulator evaluates more often."""

    formula: str
    interval: timedelta
    enabled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool of nodes. `nodes_made` counts all nodes that it ever had."""

    body: PoolBody
    targets: Targets
    created_at: datetime
    modified_at: datetime
    state_at: datetime
    allocation_at: datetime
    state: PoolState = PoolState.ACTIVE
    allocation: Allocation = Allocation.STEADY
    autoscale: AutoScale | None = None
    resize_deadline: datetime | None = None
    resize_timeout: timedelta = DEFAULT_RESIZE_TIMEOUT
    resize_problems: tuple[ResizeProblem, ...] = ()
    nodes_made: int = 0

    @property
    def id(self) -> str:
        return self.body.id

    @property
    def slots_per_node(self) -> int:
        return self.body.task_slots_per_node or 1

    @property
    def packs(self) -> bool:
        """Whether tasks fill one node before they go to the next."""
        policy = self.body.task_scheduling_policy
        return policy is not None and policy.node_fill_type is FillType.PACK

    @property
    def runs_containers(self) -> bool:
        """Whether its tasks must name a container image."""
        return bool((self.body.virtual_machine_configuration or {}).get("containerConfiguration"))

    def changed(self, at: datetime, body: PoolBody) -> "Pool":
        """With other settings."""
        return replace(self, body=body, modified_at=later(at, self.modified_at))

    def resizing(self, at: datetime, targets: Targets, timeout: timedelta | None = None) -> "Pool":
        """On the way to these targets."""
        limit = timeout or self.resize_timeout
        return replace(
            self,
            targets=targets,
            allocation=Allocation.RESIZING,
            allocation_at=at,
            resize_deadline=at + limit,
            resize_timeout=limit,
            resize_problems=(),
            modified_at=later(at, self.modified_at),
        )

    def steady(self, at: datetime, problems: tuple[ResizeProblem, ...] = ()) -> "Pool":
        """As far as it gets."""
        return replace(
            self,
            allocation=Allocation.STEADY,
            allocation_at=at,
            resize_deadline=None,
            resize_problems=problems,
        )

    def scaled_by(self, at: datetime, autoscale: AutoScale | None) -> "Pool":
        """With another formula, or none."""
        return replace(self, autoscale=autoscale, modified_at=later(at, self.modified_at))

    def deleting(self, at: datetime) -> "Pool":
        """About to go."""
        at = later(at, self.modified_at)
        return replace(self, state=PoolState.DELETING, state_at=at, modified_at=at, autoscale=None)
