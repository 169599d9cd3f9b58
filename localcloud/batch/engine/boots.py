"""Bringing nodes up: the time it takes, then the start task."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from localcloud.batch.bodies.pools import StartTask
from localcloud.batch.engine.context import Context
from localcloud.batch.engine.environment import node_environment, start_task_environment
from localcloud.batch.engine.transfers import Transfers
from localcloud.batch.state.node import Node, NodeState, StartTaskRun
from localcloud.batch.state.task import TaskFailure, user_failure
from localcloud.emulation.children import Child, Command, LaunchError
from localcloud.emulation.programs import on_this_machine, split_command


@dataclass(slots=True, kw_only=True)
class _Boot:
    """A node on its way up."""

    run: asyncio.Task[None] | None = None
    child: Child | None = None
    cancelled: bool = False


class Boots:
    """The nodes that are coming up, and start tasks that still run."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._transfers = Transfers(context)
        self._boots: dict[str, _Boot] = {}

    def begin(self, node: Node, *, delay_s: float = 0.0, wipe: bool) -> None:
        """Bring a node up after `delay_s`; `wipe` empties its disk."""
        boot = self._boots[node.key] = _Boot()
        boot.run = asyncio.create_task(self._boot(node.key, boot, delay_s, wipe=wipe))
        boot.run.add_done_callback(lambda _: self._end(node.key))  # also of one that is cancelled before it begins

    def busy(self, node: Node) -> bool:
        """Whether the node is coming up, or its start task still runs."""
        return node.key in self._boots

    def cancel(self, node: Node) -> None:
        """Stop bringing a node up; `busy` stays true until that is so."""
        boot = self._boots.get(node.key)
        if boot and boot.run and not boot.cancelled:
            boot.cancelled = True  # a second cancellation would break into the first one's care for the child
            boot.run.cancel()

    async def close(self) -> None:
        """Stop everything."""
        boots = list(self._boots.values())
        for boot in boots:
            if boot.run and not boot.cancelled:
                boot.run.cancel()
        await asyncio.gather(*(boot.run for boot in boots if boot.run), return_exceptions=True)

    async def _boot(self, key: str, boot: _Boot, delay_s: float, *, wipe: bool) -> None:
        try:
            await asyncio.sleep(delay_s)
            self._update(key, lambda node: node.booted(self._context.clock.now()))
            if wipe and (node := self._context.account.nodes.get(key)):
                self._context.folders.make_node(node)
            await self._come_up(key, boot)
        except asyncio.CancelledError:
            if boot.child:
                await boot.child.end(grace_s=self._context.settings.grace_s)

    def _end(self, key: str) -> None:
        del self._boots[key]
        self._context.signals.wake()

    async def _come_up(self, key: str, boot: _Boot) -> None:
        node = self._context.account.nodes.get(key)
        pool = self._context.account.pools.get(node.pool_id) if node else None
        start_task = pool.body.start_task if pool else None
        if start_task is None:
            self._be_idle(key)
            return
        waits = start_task.wait_for_success is not False
        if waits:
            self._move(key, NodeState.WAITING_FOR_START_TASK)
        else:
            self._be_idle(key)
        succeeded = await self._run_start_task(key, start_task, boot)
        if waits and succeeded:
            self._be_idle(key)
        elif waits:
            self._move(key, NodeState.START_TASK_FAILED)

    async def _run_start_task(self, key: str, start_task: StartTask, boot: _Boot) -> bool:
        retries = start_task.max_task_retry_count or 0
        started = self._context.clock.now()
        self._trace(key, StartTaskRun(running=True, started_at=started))
        tries = 0
        while True:
            code, failure = await self._run_once(key, start_task, boot)
            now = self._context.clock.now()
            again = bool(code) and (retries == -1 or tries < retries)
            tries += again
            run = StartTaskRun(
                running=again,
                started_at=started,
                ended_at=None if again else now,
                exit_code=code,
                failure=failure,
                retry_count=tries,
                last_retry_at=now if tries else None,
            )
            self._trace(key, run)
            if not again:
                return failure is None
            await asyncio.sleep(min(5.0, 0.1 * 2 ** min(tries, 10)))

    async def _run_once(self, key: str, start_task: StartTask, boot: _Boot) -> tuple[int | None, TaskFailure | None]:
        node = self._context.account.nodes.get(key)
        assert node is not None  # a node is removed only after its boot has ended
        root = self._context.folders.node(node.pool_id, node.id)
        folder = root / "startup"
        batch = node_environment(self._context.settings, node, root, folder)
        try:
            command = Command(
                argv=on_this_machine(split_command(start_task.command_line)),
                environment=start_task_environment(
                    self._context.settings, os.environ, start_task.environment_settings, batch
                ),
                folder=folder / "wd",
                stdout=folder / "stdout.txt",
                stderr=folder / "stderr.txt",
            )
            files = start_task.resource_files or ()
            if failure := await self._transfers.fetch(files, folder, partial(setattr, boot, "child")):
                return None, failure
            boot.child = await self._context.keeper.run(command)
        except ValueError as error:
            return None, user_failure("CommandLaunchFailed", f"The command line cannot be read: {error}.")
        except LaunchError as error:
            code = "CommandProgramNotFound" if error.missing else "CommandLaunchFailed"
            return None, user_failure(code, f"The program could not be started: {error}.")
        exit_code = await boot.child.wait()
        boot.child = None
        failure = user_failure("FailureExitCode", "The start task exited with a failure.") if exit_code else None
        return exit_code, failure

    def _be_idle(self, key: str) -> None:
        self._move(key, NodeState.IDLE)
        if node := self._context.account.nodes.get(key):
            self._context.signals.node_ready(node)
        self._context.signals.wake()

    def _move(self, key: str, state: NodeState) -> None:
        self._update(key, lambda node: node.moved(self._context.clock.now(), state))

    def _trace(self, key: str, run: StartTaskRun) -> None:
        self._update(key, lambda node: replace(node, start_task=run))

    def _update(self, key: str, change: Callable[[Node], Node]) -> None:
        if node := self._context.account.nodes.get(key):
            changed = self._context.account.nodes.put(change(node))
            if changed.state is not node.state:
                self._context.ledger.note("node", node.id, changed.state.value, pool=node.pool_id)
