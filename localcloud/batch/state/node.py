"""Compute nodes: local worker places with an id, a folder and slots."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.state.stamps import later
from localcloud.batch.state.task import TaskFailure


class NodeState(StrEnum):
    """Where a node stands; all of Azure's states, though not all of them happen here."""

    CREATING = "creating"
    STARTING = "starting"
    WAITING_FOR_START_TASK = "waitingforstarttask"
    START_TASK_FAILED = "starttaskfailed"
    IDLE = "idle"
    RUNNING = "running"
    REBOOTING = "rebooting"
    REIMAGING = "reimaging"
    LEAVING_POOL = "leavingpool"
    OFFLINE = "offline"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"
    PREEMPTED = "preempted"
    UPGRADING_OS = "upgradingos"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"


USABLE = frozenset({NodeState.IDLE, NodeState.RUNNING})
BOOTING = frozenset({NodeState.CREATING, NodeState.STARTING, NodeState.WAITING_FOR_START_TASK})


class NodeAction(StrEnum):
    """What happens to a node once its tasks are gone."""

    REMOVE = "remove"
    REBOOT = "reboot"
    REIMAGE = "reimage"
    DEALLOCATE = "deallocate"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTaskRun:
    """How the start task has run on a node."""

    running: bool
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    failure: TaskFailure | None = None
    retry_count: int = 0
    last_retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTrace:
    """A task that ran on a node lately."""

    job_id: str
    task_id: str


RECENT_TASKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a pool. `pending` is what happens to it next, `option` what its tasks may expect until then."""

    id: str
    pool_id: str
    number: int
    dedicated: bool
    vm_size: str
    allocated_at: datetime
    booted_at: datetime
    state_at: datetime
    state: NodeState = NodeState.CREATING
    scheduling: bool = True
    pending: NodeAction | None = None
    option: DeallocationOption | None = None
    return_at: datetime | None = None
    start_task: StartTaskRun | None = None
    tasks_run: int = 0
    tasks_succeeded: int = 0
    recent: tuple[TaskTrace, ...] = ()
    error: str | None = None

    @property
    def key(self) -> str:
        """Unique among all nodes."""
        return node_key(self.pool_id, self.id)

    @property
    def takes_tasks(self) -> bool:
        """Whether tasks may start on it."""
        return self.state in USABLE and self.scheduling and self.pending is None

    @property
    def stays(self) -> bool:
        """Whether the pool may count on it."""
        return self.pending is not NodeAction.REMOVE

    def moved(self, at: datetime, state: NodeState) -> "Node":
        """In another state."""
        return replace(self, state=state, state_at=later(at, self.state_at))

    def booted(self, at: datetime) -> "Node":
        """Starting, as new."""
        fresh = replace(self, booted_at=at, start_task=None, pending=None, option=None, return_at=None, error=None)
        return fresh.moved(at, NodeState.STARTING)

    def used(self, trace: TaskTrace, *, succeeded: bool) -> "Node":
        """With one more task behind it."""
        return replace(
            self,
            tasks_run=self.tasks_run + 1,
            tasks_succeeded=self.tasks_succeeded + succeeded,
            recent=(trace, *(other for other in self.recent if other != trace))[:RECENT_TASKS],
        )


def node_key(pool_id: str, node_id: str) -> str:
    """The key of a node among all nodes."""
    return f"{pool_id}/{node_id}"
