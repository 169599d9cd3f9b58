"""The engine as a whole: put together, settled, recovered, closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import partial
from itertools import islice

from localcloud.batch.engine.allocation import Allocator
from localcloud.batch.engine.attempts import Attempts
from localcloud.batch.engine.boots import Boots
from localcloud.batch.engine.context import Context
from localcloud.batch.engine.folders import Folders
from localcloud.batch.engine.jobs import JobRules
from localcloud.batch.engine.nodes import Nodes
from localcloud.batch.engine.placement import Candidate, Place, assign, is_ready, slots_here
from localcloud.batch.engine.scaling import Scaling, finder
from localcloud.batch.engine.signals import Signals
from localcloud.batch.engine.trouble import Trouble, luck_of
from localcloud.batch.settings import Settings
from localcloud.batch.state.account import Account
from localcloud.batch.state.job import ENDED, Job, JobState
from localcloud.batch.state.node import Node, NodeState
from localcloud.batch.state.pool import Pool
from localcloud.batch.state.task import Task, TaskState, user_failure
from localcloud.emulation.children import Keeper
from localcloud.emulation.clock import Clock
from localcloud.emulation.documents import Documents
from localcloud.emulation.faults import Faults, Script
from localcloud.emulation.ledger import Ledger


class Engine:
    """Everything that acts on one account. Make it with `open_engine`, inside an event loop."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.account = context.account
        self.faults = Faults(Script())
        self.attempts = Attempts(context)
        self._boots = Boots(context)
        self.nodes = Nodes(context, self.attempts, self._boots)
        self.allocator = Allocator(context, self.nodes, self.attempts, partial(luck_of, self.faults))
        self.jobs = JobRules(context, self.attempts)
        self.scaling = Scaling(context, self.allocator)
        self._listen(Trouble(context, self.faults, self.attempts, self.nodes))
        self._loop = asyncio.get_running_loop()
        self._woken = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def _listen(self, trouble: Trouble) -> None:
        signals = self.context.signals
        signals.wake = self.wake
        signals.task_started, signals.node_ready = trouble.task_started, trouble.node_ready
        signals.task_completed = self.jobs.task_completed

    def wake(self) -> None:
        """Something has changed: settle at the loop's next turn."""
        if not self._woken and not self._closing:
            self._woken = True
            self._loop.call_soon(self.settle)

    def settle(self) -> None:
        """Do everything that is due now, and set the timer for what falls due next."""
        self._woken = False
        if self._closing:
            return
        now = self.context.clock.now()
        due = (self.scaling.advance(now), self.jobs.advance(now), self.allocator.advance(now))
        for pool in self.account.pools:
            self._give_tasks_to(pool)
        self._set_timer(min((at for at in due if at is not None), default=None), now)

    def recover(self) -> None:
        """Take up what the disk says: tasks that ran are to run again, nodes come up anew."""
        with self.account.documents.together():
            for job in self.account.jobs:
                for task in tuple(self.account.tasks.in_state(job.id, TaskState.RUNNING)):
                    self._recover_task(job, task)
        self.context.folders.keep_only(list(self.account.nodes))
        for node in self.account.nodes:
            if node.state not in {NodeState.PREEMPTED, NodeState.DEALLOCATED, NodeState.UNUSABLE} and node.stays:
                self.nodes.restart(node)
        self.wake()

    async def close(self) -> None:
        """End every program, and decide nothing more."""
        self._closing = True
        if self._timer:
            self._timer.cancel()
        await asyncio.gather(self.attempts.close(), self._boots.close())

    def _recover_task(self, job: Job, task: Task) -> None:
        now = self.context.clock.now()
        if job.state in ENDED:
            failure = user_failure("TaskEnded", "Task Was Ended", Message="The task was ended with its job.")
            self.account.tasks.put(task.completed(now, exit_code=None, failure=failure))
        else:
            self.account.tasks.put(task.requeued(now, counted=False))
            self.context.ledger.note("task", task.id, "requeued", job=job.id, reason="the emulator was started anew")

    def _give_tasks_to(self, pool: Pool) -> None:
        local = min(pool.slots_per_node, self.context.settings.slots)
        nodes = {node.id: node for node in self.account.nodes_of(pool.id) if node.takes_tasks}
        places = [self._place(node, local) for node in nodes.values()]
        if not any(place.free for place in places):
            return
        for assignment in assign(self._candidates(pool, local), places, pack=pool.packs):
            self.attempts.begin(assignment.task, nodes[assignment.node_id], assignment.slots)
            self.wake()

    def _place(self, node: Node, slots: int) -> Place:
        attempts = self.attempts.on_node(node)
        return Place(
            node_id=node.id, free=max(0, slots - sum(attempt.slots for attempt in attempts)), busy=len(attempts)
        )

    def _candidates(self, pool: Pool, local_slots: int) -> Iterator[Candidate]:
        """Waiting tasks in the order in which they go first; lazily, as there may be thousands for a few slots."""
        jobs = [job for job in self.account.jobs_of(pool.id) if job.state is JobState.ACTIVE]
        for job in sorted(jobs, key=lambda job: (-job.priority, job.created_at)):
            limit = job.body.max_parallel_tasks
            room = None if limit is None or limit < 0 else limit - self.account.tasks.counts(job.id).running
            found = self._of_job(job, pool, local_slots)
            yield from found if room is None else islice(found, max(0, room))

    def _of_job(self, job: Job, pool: Pool, local_slots: int) -> Iterator[Candidate]:
        find = finder(self.account, job.id)
        for task in self.account.tasks.in_state(job.id, TaskState.ACTIVE):
            slots = slots_here(task, pool_slots=pool.slots_per_node, local_slots=local_slots)
            ending = self.attempts.get(task.job_id, task.id)  # of a deleted task of the same name
            if slots is not None and ending is None and is_ready(task, find):
                yield Candidate(task=task, slots=slots)

    def _set_timer(self, due: datetime | None, now: datetime) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if due is not None:
            delay = min(3600.0, max(0.0, (due - now).total_seconds()))
            self._timer = self._loop.call_later(delay, self.settle)


@contextlib.asynccontextmanager
async def open_engine(settings: Settings, documents: Documents, clock: Clock) -> AsyncIterator[Engine]:
    """An engine over the state on disk, recovered and running; in the end every program and `documents` are closed."""
    context = Context(
        settings=settings,
        account=Account(documents),
        keeper=Keeper(settings.state),
        folders=Folders(settings.state / "nodes"),
        ledger=Ledger(settings.state / "ledger.jsonl", clock),
        clock=clock,
        signals=Signals(),
    )
    await context.keeper.open()
    engine = Engine(context)
    try:
        engine.recover()
        yield engine
    finally:
        await engine.close()
        await context.keeper.close()
        context.ledger.close()
        documents.close()
