"""The in-memory twins of the Batch job that holds the workers, and of the durable side of a run."""

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from dropscore.cloud.operations import Operations
from dropscore.cloud.ports import WorkerCounts


class TaskState(StrEnum):
    """State of a worker task."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class MemoryWorkerPool:
    """A `WorkerPool` in memory. Tasks wait for a node until `admit` gives them one, or run at once if `nodes`
    are free. Safe to share between threads.

    `on_start` is called with the id of each task that starts to run, without a lock held.
    """

    def __init__(
        self,
        *,
        nodes: int = 0,
        on_start: Callable[[str], None] | None = None,
        operations: Operations | None = None,
    ) -> None:
        self.operations = operations or Operations(remember=True)
        self.doubt = ""
        """What `doubts` answers."""
        self._nodes = nodes
        self._on_start = on_start
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskState] = {}

    def counts(self) -> WorkerCounts:
        self.operations.note("pool.counts", "")
        with self._lock:
            return WorkerCounts(running=self._count(TaskState.RUNNING), waiting=self._count(TaskState.WAITING))

    def add(self, task_ids: Sequence[str]) -> None:
        for task_id in task_ids:
            self.operations.note("pool.add", task_id)
            with self._lock:
                self._tasks.setdefault(task_id, TaskState.WAITING)
        self._fill()

    def end(self, *, waiting_only: bool) -> int:
        self.operations.note("pool.end", "waiting" if waiting_only else "all")
        ending = {TaskState.WAITING} if waiting_only else {TaskState.WAITING, TaskState.RUNNING}
        with self._lock:
            ended = [task_id for task_id, state in self._tasks.items() if state in ending]
            self._tasks.update(dict.fromkeys(ended, TaskState.ENDED))
        self._fill()
        return len(ended)

    def doubts(self) -> str:
        self.operations.note("pool.doubts", "")
        return self.doubt

    @property
    def tasks(self) -> dict[str, TaskState]:
        """Every task ever added and its state, in the order of adding."""
        with self._lock:
            return dict(self._tasks)

    def admit(self, nodes: int) -> None:
        """Add nodes: as many waiting tasks start to run."""
        with self._lock:
            self._nodes += nodes
        self._fill()

    def finish(self, task_id: str) -> None:
        """A running worker leaves, and its node takes the next task."""
        with self._lock:
            self._tasks[task_id] = TaskState.ENDED
        self._fill()

    def _fill(self) -> None:
        with self._lock:
            free = self._nodes - self._count(TaskState.RUNNING)
            waiting = [task_id for task_id, state in self._tasks.items() if state is TaskState.WAITING]
            started = waiting[: max(0, free)]
            self._tasks.update(dict.fromkeys(started, TaskState.RUNNING))
        if self._on_start is not None:
            for task_id in started:
                self._on_start(task_id)

    def _count(self, wanted: TaskState) -> int:
        return sum(state is wanted for state in self._tasks.values())


class MemoryOrchestrations:
    """`Orchestrations` in memory: remembers what was started, ended and nudged. Clearing `started` loses them."""

    def __init__(self) -> None:
        self.started: list[str] = []
        """Runs scheduled, each once, in order."""
        self.ended: set[str] = set()
        """Those that are not under way any more."""
        self.terminated: list[str] = []
        """Those that somebody ended, in order."""
        self.pulses: dict[str, str] = {}
        """What `pulse` answers for a run that is under way, if something else than always the same."""
        self.nudged: list[str] = []
        """Every nudge that reached a run, in order."""

    async def start(self, run_id: str) -> bool:
        if run_id in self.started:
            return False
        self.started.append(run_id)
        return True

    async def start_again(self, run_id: str) -> bool:
        if self._under_way(run_id):
            return False
        self.ended.discard(run_id)
        if run_id not in self.started:
            self.started.append(run_id)
        return True

    async def pulse(self, run_id: str) -> str | None:
        return self.pulses.get(run_id, "the first") if self._under_way(run_id) else None

    async def end(self, run_id: str) -> None:
        if self._under_way(run_id):
            self.terminated.append(run_id)
            self.ended.add(run_id)

    async def nudge(self, run_id: str) -> None:
        if run_id in self.started:
            self.nudged.append(run_id)

    def _under_way(self, run_id: str) -> bool:
        return run_id in self.started and run_id not in self.ended
