"""Running containers: one loop for each, from its first start to its last end, restarts included."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field

from localcloud.containers.bodies import Container
from localcloud.containers.folders import Folders
from localcloud.containers.settings import Settings
from localcloud.containers.state import ContainerRun, Group, starts_again
from localcloud.emulation.children import Child, Command, Keeper, LaunchError
from localcloud.emulation.clock import Clock
from localcloud.emulation.faults import FaultEvent, FaultKind, Faults
from localcloud.emulation.ledger import Ledger
from localcloud.emulation.programs import base_environment, on_this_machine
from localcloud.emulation.records import Records

FIRST_RESTART_DELAY_S, LONGEST_RESTART_DELAY_S = 1.0, 60.0
"""Between the end of a container and its next start, from the second restart on; the first comes at once."""
NOT_STARTED = 127
"""Exit code of a container whose program could not be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the parts of the engine work with."""

    settings: Settings
    groups: Records[Group]
    keeper: Keeper
    folders: Folders
    faults: Faults
    ledger: Ledger
    clock: Clock


@dataclass(slots=True, kw_only=True)
class _Process:
    """A container's loop."""

    key: str
    name: str
    loop: asyncio.Task[None] | None = None
    child: Child | None = None
    asked_to_end: asyncio.Event = field(default_factory=asyncio.Event)


class Runs:
    """All containers that run now, or are about to."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._processes: dict[tuple[str, str], _Process] = {}
        self._closing = False

    def start(self, group: Group, name: str) -> None:
        """Start a container, unless it runs."""
        if not self._closing and (group.key, name) not in self._processes:
            process = self._processes[group.key, name] = _Process(key=group.key, name=name)
            process.loop = asyncio.create_task(self._live(process))

    def is_active(self, group: Group, name: str | None = None) -> bool:
        """Whether a container of a group, or any of them, runs or is about to."""
        return any(name in {None, process.name} for process in self._of(group))

    def is_ending(self, group: Group) -> bool:
        """Whether a container of a group has been told to end and has not yet."""
        return any(process.asked_to_end.is_set() for process in self._of(group))

    def end_all(self, group: Group) -> Coroutine[None, None, None]:
        """Mark a group's containers as ending, at once; awaiting the result ends them and waits until they are gone."""
        processes = self._of(group)
        for process in processes:
            process.asked_to_end.set()
        return self._end_each(processes)

    async def _end_each(self, processes: Iterable[_Process]) -> None:
        await asyncio.gather(*(self._end(process) for process in processes))

    async def close(self) -> None:
        """End every container without noting how: the next start will find that they ran."""
        self._closing = True
        await self._end_each(tuple(self._processes.values()))

    def _of(self, group: Group) -> list[_Process]:
        return [process for process in self._processes.values() if process.key == group.key]

    async def _end(self, process: _Process) -> None:
        process.asked_to_end.set()
        if process.child:
            await process.child.end(grace_s=self._context.settings.grace_s)
        if process.loop:
            await process.loop

    async def _live(self, process: _Process) -> None:
        """Run a container, again and again if its policy says so, until it is told to end."""
        try:
            restarts = 0
            while (code := await self._run_once(process)) is not None:
                group = self._context.groups.get(process.key)
                ending = process.asked_to_end.is_set()
                if ending or group is None or not starts_again(group.restart_policy, code):
                    return
                self._change(process, lambda run: run.waiting("CrashLoopBackOff"))
                if restarts:
                    delay_s = min(LONGEST_RESTART_DELAY_S, FIRST_RESTART_DELAY_S * 2 ** min(restarts - 1, 7))
                    await self._pause(process, delay_s)
                restarts += 1
        finally:
            del self._processes[process.key, process.name]

    async def _run_once(self, process: _Process) -> int | None:
        """Run a container once. Returns its exit code; None if nothing more is to be done."""
        if process.asked_to_end.is_set():
            return None
        self._tell(process, "Pulling", "pulling image")
        for fault in self._context.faults.at(FaultEvent.CONTAINER_STARTING, process.name):
            await self._pause(process, fault.after_s)
        group = self._context.groups.get(process.key)
        container = group.container(process.name) if group else None
        if group is None or container is None or process.asked_to_end.is_set():
            return None
        self._tell(process, "Pulled", "Successfully pulled image (emulated: the command runs on this machine)")
        self._change(process, lambda run: run.creating())
        try:
            process.child = child = await self._context.keeper.run(self._command(group, container))
        except (LaunchError, OSError) as error:
            self._tell(process, "Failed", f"Failed to start container: {error}", warning=True)
            return self._finish(process, NOT_STARTED)
        self._begin(process, child)
        if process.asked_to_end.is_set():  # while it was being started
            await child.end(grace_s=self._context.settings.grace_s)
        code = await child.wait()
        process.child = None
        return None if self._closing else self._finish(process, code)

    async def _pause(self, process: _Process, delay_s: float) -> None:
        """Wait, but not longer than until the container is asked to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await process.asked_to_end.wait()

    def _begin(self, process: _Process, child: Child) -> None:
        now = self._context.clock.now()
        self._tell(process, "Created", "Created container")
        self._tell(process, "Started", "Started container")
        self._change(process, lambda run: run.started(now))
        self._context.ledger.note("container", process.name, "started", group=process.key, pid=child.pid)
        for fault in self._context.faults.at(FaultEvent.CONTAINER_STARTED, process.name):
            if fault.rule.do is FaultKind.KILL:
                asyncio.get_running_loop().call_later(fault.after_s, child.signal, signal.SIGKILL)

    def _finish(self, process: _Process, code: int) -> int:
        now = self._context.clock.now()
        if process.asked_to_end.is_set():
            self._tell(process, "Killing", "Killing container")
        self._change(process, lambda run: run.terminated(now, code))
        self._context.ledger.note("container", process.name, "terminated", group=process.key, exit_code=code)
        return code

    def _command(self, group: Group, container: Container) -> Command:
        variables = container.properties.environment_variables or ()
        given = {item.name: item.value if item.value is not None else item.secure_value or "" for item in variables}
        return Command(
            argv=on_this_machine(container.properties.command or ()),
            environment=base_environment(os.environ) | dict(self._context.settings.environment) | given,
            folder=self._context.folders.make(group, container),
            log=self._context.folders.log(group, container.name),
        )

    def _tell(self, process: _Process, event: str, message: str, *, warning: bool = False) -> None:
        now = self._context.clock.now()
        self._change(process, lambda run: run.told(now, event, message, warning=warning))

    def _change(self, process: _Process, change: Callable[[ContainerRun], ContainerRun]) -> None:
        if group := self._context.groups.get(process.key):
            self._context.groups.put(group.with_run(change(group.run(process.name))))
