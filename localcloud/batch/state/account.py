"""Everything of one Batch account, in memory and on disk."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localcloud.batch.state.job import Job
from localcloud.batch.state.node import Node, node_key
from localcloud.batch.state.pool import Pool
from localcloud.batch.state.task import Task, TaskState, task_key
from localcloud.emulation.documents import Documents
from localcloud.emulation.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """Tasks, or their slots, by state; `completed` is `succeeded` and `failed` together."""

    active: int = 0
    running: int = 0
    completed: int = 0
    succeeded: int = 0
    failed: int = 0


class TaskTable:
    """Tasks by job and state, so that a job with thousands of tasks costs nothing while nothing happens to it."""

    def __init__(self, documents: Documents) -> None:
        self._records = Records(documents, "task", Task, lambda task: task.key)
        self._by_state: dict[str, dict[TaskState, dict[str, Task]]] = defaultdict(
            lambda: {state: {} for state in TaskState}
        )
        self._succeeded: dict[str, int] = defaultdict(int)
        self.next_number = 1
        for task in sorted(self._records, key=lambda task: task.number):
            self._enter(task)
            self.next_number = task.number + 1

    def get(self, job_id: str, task_id: str) -> Task | None:
        """A task, or None."""
        return self._records.get(task_key(job_id, task_id))

    def put(self, task: Task) -> Task:
        """Write a task and return it."""
        if old := self._records.get(task.key):
            self._leave(old)
        self._records.put(task)
        self._enter(task)
        self.next_number = max(self.next_number, task.number + 1)
        return task

    def remove(self, task: Task) -> None:
        """Remove a task."""
        if old := self._records.get(task.key):
            self._leave(old)
            self._records.remove(old)

    def of(self, job_id: str) -> tuple[Task, ...]:
        """All tasks of a job."""
        return tuple(task for tasks in self._states(job_id).values() for task in tasks.values())

    def in_state(self, job_id: str, state: TaskState) -> Iterable[Task]:
        """The tasks of a job in one state, in the order in which they got there."""
        return self._states(job_id)[state].values()

    def counts(self, job_id: str) -> TaskCounts:
        """How many tasks of a job are in which state."""
        sizes = {state: len(tasks) for state, tasks in self._states(job_id).items()}
        succeeded, completed = self._succeeded[job_id.lower()], sizes[TaskState.COMPLETED]
        return TaskCounts(
            active=sizes[TaskState.ACTIVE],
            running=sizes[TaskState.RUNNING],
            completed=completed,
            succeeded=succeeded,
            failed=completed - succeeded,
        )

    def _states(self, job_id: str) -> Mapping[TaskState, dict[str, Task]]:
        return self._by_state[job_id.lower()]

    def _enter(self, task: Task) -> None:
        self._states(task.job_id)[task.state][task.key.lower()] = task
        self._succeeded[task.job_id.lower()] += task.succeeded

    def _leave(self, task: Task) -> None:
        del self._states(task.job_id)[task.state][task.key.lower()]
        self._succeeded[task.job_id.lower()] -= task.succeeded


class Account:
    """Pools, nodes, jobs and tasks."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.pools = Records(documents, "pool", Pool, lambda pool: pool.id)
        self.nodes = Records(documents, "node", Node, lambda node: node.key)
        self.jobs = Records(documents, "job", Job, lambda job: job.id)
        self.tasks = TaskTable(documents)

    def nodes_of(self, pool_id: str) -> tuple[Node, ...]:
        """The nodes of a pool, oldest first."""
        found = (node for node in self.nodes if node.pool_id.lower() == pool_id.lower())
        return tuple(sorted(found, key=lambda node: node.number))

    def node(self, pool_id: str, node_id: str) -> Node | None:
        """A node, or None."""
        return self.nodes.get(node_key(pool_id, node_id))

    def jobs_of(self, pool_id: str) -> tuple[Job, ...]:
        """The jobs that run on a pool."""
        return tuple(job for job in self.jobs if job.pool_id.lower() == pool_id.lower())
