"""Running tasks: one attempt for each running task, from its start on a node to its end there, retries included."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from localcloud.batch.engine.context import Context
from localcloud.batch.engine.environment import node_environment, task_environment
from localcloud.batch.engine.transfers import Transfers
from localcloud.batch.state.job import Job
from localcloud.batch.state.node import Node, TaskTrace
from localcloud.batch.state.task import Category, Placement, Task, TaskFailure, task_key, user_failure
from localcloud.emulation.children import Child, Command, LaunchError
from localcloud.emulation.programs import on_this_machine, split_command

FIRST_RETRY_DELAY_S, LONGEST_RETRY_DELAY_S = 0.1, 5.0
"""Between the end of a failed program and its next run; the delay doubles."""
LOG_TAIL_BYTES = 2000

_logger = logging.getLogger(__name__)


class Ending(StrEnum):
    """Why the engine ends a running task, and so what becomes of it."""

    REQUEUE = "requeue"
    """A user took its place away: active again, counted."""
    LOST = "lost"
    """Its node is gone: active again, not counted."""
    TERMINATE = "terminate"
    """A user ended it: complete."""
    TIME_LIMIT = "time limit"
    """Its time is up: complete."""
    DROP = "drop"
    """It has been deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a program ended; no exit code if it never ran."""

    exit_code: int | None = None
    failure: TaskFailure | None = None


class _NotStartedError(Exception):
    """A task's program was not started."""

    def __init__(self, failure: TaskFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True, kw_only=True, eq=False)
class Attempt:
    """A task on a node, as it runs."""

    job_id: str
    task_id: str
    node: Node
    slots: int
    ending: Ending | None = None
    asked_to_end: asyncio.Event = field(default_factory=asyncio.Event)
    grace_s: float = 0.0
    child: Child | None = None
    ender: asyncio.Task[int] | None = None


class Attempts:
    """All tasks that run now."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._transfers = Transfers(context)
        self._attempts: dict[str, Attempt] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._closing = False

    def begin(self, task: Task, node: Node, slots: int) -> None:
        """Start a waiting task on a node."""
        placement = Placement(pool_id=node.pool_id, node_id=node.id)
        task = self._context.account.tasks.put(task.started(self._context.clock.now(), placement))
        attempt = Attempt(job_id=task.job_id, task_id=task.id, node=node, slots=slots)
        self._attempts[task.key.lower()] = attempt
        run = asyncio.create_task(self._run(attempt))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    def get(self, job_id: str, task_id: str) -> Attempt | None:
        """The attempt of a task, or None."""
        return self._attempts.get(task_key(job_id, task_id).lower())

    def on_node(self, node: Node) -> list[Attempt]:
        """What runs on a node."""
        return [attempt for attempt in self._attempts.values() if attempt.node.key == node.key]

    def of_job(self, job_id: str) -> list[Attempt]:
        """What runs of a job."""
        return [attempt for attempt in self._attempts.values() if attempt.job_id.lower() == job_id.lower()]

    def end(self, attempts: Iterable[Attempt], ending: Ending, *, grace_s: float | None = None) -> None:
        """End running tasks; the first reason given for an end decides what becomes of the task."""
        for attempt in attempts:
            if attempt.ending is None:
                attempt.ending = ending
                attempt.grace_s = self._context.settings.grace_s if grace_s is None else grace_s
                attempt.asked_to_end.set()
                self._end_child(attempt)
            elif grace_s == 0 and attempt.child:
                attempt.child.signal(signal.SIGKILL)

    async def close(self) -> None:
        """End every program without deciding anything about its task: the next start will run it again."""
        self._closing = True
        self.end(list(self._attempts.values()), Ending.LOST)
        await asyncio.gather(*self._runs, return_exceptions=True)

    def _end_child(self, attempt: Attempt) -> None:
        if attempt.child and attempt.ender is None:
            attempt.ender = asyncio.create_task(attempt.child.end(grace_s=attempt.grace_s))

    async def _run(self, attempt: Attempt) -> None:
        tries = 0
        try:
            while await self._try(attempt, tries):
                tries += 1
        finally:
            del self._attempts[task_key(attempt.job_id, attempt.task_id).lower()]
            if attempt.ending is Ending.DROP:
                self._context.folders.drop_task(self._folder(attempt))
            self._context.signals.wake()

    async def _try(self, attempt: Attempt, tries: int) -> bool:
        """Run the program once. Returns whether it shall run again."""
        outcome = await self._execute(attempt, anew=tries == 0)
        task = self._context.account.tasks.get(attempt.job_id, attempt.task_id)
        job = self._context.account.jobs.get(attempt.job_id)
        if self._closing or task is None or job is None:
            return False
        if attempt.ending is None and outcome.exit_code and _may_retry(task, job):
            self._context.account.tasks.put(task.retried(self._context.clock.now()))
            self._note(task, "retried", exit_code=outcome.exit_code)
            await self._pause(attempt, tries)
            if attempt.ending is None:
                return True
        self._conclude(attempt, outcome)
        return False

    async def _pause(self, attempt: Attempt, tries: int) -> None:
        delay = min(LONGEST_RETRY_DELAY_S, FIRST_RETRY_DELAY_S * 2 ** min(tries, 10))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await attempt.asked_to_end.wait()

    def _conclude(self, attempt: Attempt, outcome: Outcome) -> None:
        task = self._context.account.tasks.get(attempt.job_id, attempt.task_id)
        if task is None or self._closing or attempt.ending is Ending.DROP:
            return
        if attempt.ending in {Ending.REQUEUE, Ending.LOST}:
            requeued = task.requeued(self._context.clock.now(), counted=attempt.ending is Ending.REQUEUE)
            self._context.account.tasks.put(requeued)
            self._note(task, "requeued", reason=attempt.ending.value)
            return
        if attempt.ending is not None:
            outcome = replace(outcome, failure=_ended(attempt.ending))
        self._complete(task, attempt, outcome)

    def _complete(self, task: Task, attempt: Attempt, outcome: Outcome) -> None:
        task = task.completed(self._context.clock.now(), exit_code=outcome.exit_code, failure=outcome.failure)
        self._context.account.tasks.put(task)
        self._note(task, "completed", exit_code=outcome.exit_code, succeeded=task.succeeded)
        if node := self._context.account.node(attempt.node.pool_id, attempt.node.id):
            trace = TaskTrace(job_id=task.job_id, task_id=task.id)
            self._context.account.nodes.put(node.used(trace, succeeded=task.succeeded))
        self._context.signals.task_completed(task)

    async def _execute(self, attempt: Attempt, *, anew: bool) -> Outcome:
        task = self._context.account.tasks.get(attempt.job_id, attempt.task_id)
        job = self._context.account.jobs.get(attempt.job_id)
        if task is None or job is None or attempt.ending is not None:
            return Outcome()
        folder = self._folder(attempt)
        try:
            child = await self._launch(attempt, job, task, folder, anew=anew)
        except _NotStartedError as error:
            return Outcome(failure=error.failure)
        outcome = await self._follow(attempt, task, child, folder)
        if attempt.ending is not None or (outcome.exit_code and _may_retry(task, job)):
            return outcome
        outputs, succeeded = task.body.output_files or (), not outcome.exit_code
        failure = await self._transfers.store(outputs, folder, partial(self._adopt, attempt), succeeded=succeeded)
        return replace(outcome, failure=failure) if failure and succeeded else outcome

    async def _launch(self, attempt: Attempt, job: Job, task: Task, folder: Path, *, anew: bool) -> Child:
        """Fetch a task's files and start its program. Raises _NotStartedError."""
        try:
            self._context.folders.make_task(folder, anew=anew)
            files = task.body.resource_files or ()
            if failure := await self._transfers.fetch(files, folder, partial(self._adopt, attempt)):
                raise _NotStartedError(failure)
            return await self._context.keeper.run(self._command(job, task, attempt.node, folder))
        except ValueError as error:
            failure = user_failure("CommandLaunchFailed", f"The command line cannot be read: {error}.")
        except LaunchError as error:
            code = "CommandProgramNotFound" if error.missing else "CommandLaunchFailed"
            failure = user_failure(code, f"The program could not be started: {error}.")
        except OSError as error:
            failure = TaskFailure(category=Category.SERVER, code="DiskFull", message=str(error))
        raise _NotStartedError(failure)

    def _adopt(self, attempt: Attempt, child: Child) -> None:
        """Let the program of a transfer end with the attempt."""
        attempt.child, attempt.ender = child, None
        if attempt.ending is not None:
            self._end_child(attempt)

    async def _follow(self, attempt: Attempt, task: Task, child: Child, folder: Path) -> Outcome:
        self._note(task, "started", pid=child.pid, node=attempt.node.id, pool=attempt.node.pool_id)
        self._context.signals.task_started(task)
        self._adopt(attempt, child)
        limit = task.body.constraints.max_wall_clock_time if task.body.constraints else None
        alarm = None
        if limit is not None and limit.days < 365:
            loop = asyncio.get_running_loop()
            alarm = loop.call_later(limit.total_seconds(), self.end, [attempt], Ending.TIME_LIMIT)
        code = await child.wait()
        attempt.child, attempt.ender = None, None
        if alarm:
            alarm.cancel()
        if code and attempt.ending is None:
            _log_failure(task, code, folder)
        return Outcome(exit_code=code, failure=_exit_failure() if code else None)

    def _folder(self, attempt: Attempt) -> Path:
        node = attempt.node
        return self._context.folders.task(node.pool_id, node.id, attempt.job_id, attempt.task_id)

    def _command(self, job: Job, task: Task, node: Node, folder: Path) -> Command:
        root = self._context.folders.node(node.pool_id, node.id)
        batch = node_environment(self._context.settings, node, root, folder)
        return Command(
            argv=on_this_machine(split_command(task.body.command_line)),
            environment=task_environment(self._context.settings, os.environ, job, task, batch),
            folder=folder / "wd",
            stdout=folder / "stdout.txt",
            stderr=folder / "stderr.txt",
        )

    def _note(self, task: Task, event: str, **more: object) -> None:
        self._context.ledger.note("task", task.id, event, job=task.job_id, **more)


def _may_retry(task: Task, job: Job) -> bool:
    own = task.body.constraints.max_task_retry_count if task.body.constraints else None
    jobs = job.body.constraints.max_task_retry_count if job.body.constraints else None
    limit = own if own is not None else jobs or 0
    return limit == -1 or task.execution.retry_count < limit


def _exit_failure() -> TaskFailure:
    message = "The task exited with an exit code representing a failure"
    return user_failure("FailureExitCode", message, Message=message, AdditionalErrorCode="FailureExitCode")


def _ended(ending: Ending) -> TaskFailure:
    why = "it ran longer than its wall clock limit" if ending is Ending.TIME_LIMIT else "a user asked for it"
    return user_failure("TaskEnded", "Task Was Ended", Message=f"The task was ended because {why}.")


def _log_failure(task: Task, code: int, folder: Path) -> None:
    last = b""
    with contextlib.suppress(OSError):
        last = (folder / "stderr.txt").read_bytes()[-LOG_TAIL_BYTES:]
    fields = {"job": task.job_id, "task": task.id, "exit_code": code, "stderr": last.decode(errors="replace")}
    _logger.warning("A task's program failed.", extra=fields | {"action": "task_failed"})
