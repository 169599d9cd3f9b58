"""Container groups: put, started, stopped, deleted, and taken up again after a restart."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace

from localcloud.containers.folders import Folders
from localcloud.containers.runs import Context, Runs
from localcloud.containers.settings import Settings
from localcloud.containers.state import ContainerPhase, Group, Wish, starts_again
from localcloud.emulation.children import KILLED, Keeper
from localcloud.emulation.clock import Clock
from localcloud.emulation.documents import Documents
from localcloud.emulation.faults import Faults, Script
from localcloud.emulation.ledger import Ledger
from localcloud.emulation.records import Records


class Engine:
    """Everything that acts on container groups. Make it with `open_engine`, inside an event loop."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._runs = Runs(context)
        self._background: set[asyncio.Task[None]] = set()

    def create(self, group: Group) -> Group:
        """Take a new group and start its containers."""
        self._note(group, "created")
        return self._start_waiting(self.context.groups.put(group))

    def tag(self, group: Group, tags: dict[str, str] | None) -> Group:
        """Change a group's tags."""
        return self.context.groups.put(replace(group, body=group.body.model_copy(update={"tags": tags})))

    def start(self, group: Group) -> Group:
        """Start every container that is not running; one that is just ending is started after its end."""
        self._note(group, "start")
        if self._runs.is_ending(group):
            self._later(self._start_after(group, self._runs.end_all(group)))
            return group
        group = replace(group, wish=Wish.RUN)
        for run in group.runs:
            if not self._runs.is_active(group, run.name):
                group = group.with_run(run.anew())
        return self._start_waiting(self.context.groups.put(group))

    def stop(self, group: Group) -> Group:
        """End every container; they are gone after the grace at the latest."""
        self._note(group, "stop")
        group = self.context.groups.put(replace(group, wish=Wish.STOP))
        self._later(self._runs.end_all(group))
        return group

    def restart(self, group: Group) -> Group:
        """End every container, then start all again."""
        self._note(group, "restart")
        group = self.context.groups.put(replace(group, wish=Wish.STOP))
        self._later(self._start_after(group, self._runs.end_all(group)))
        return group

    def delete(self, group: Group) -> bool:
        """Remove a group with its logs. Returns whether it is gone now; else it is after the grace at the latest."""
        self._note(group, "deleting")
        group = self.context.groups.put(replace(group, wish=Wish.DELETE))
        if self._runs.is_active(group):
            self._later(self._remove_after(group, self._runs.end_all(group)))
            return False
        self._remove(group)
        return True

    def recover(self) -> None:
        """Take up what the disk says: what ran was killed with the emulator."""
        self.context.folders.keep_only(self.context.groups)
        for group in self.context.groups:
            self._recover(group)

    async def close(self) -> None:
        """End every process, and decide nothing more."""
        await self._runs.close()
        for task in tuple(self._background):
            task.cancel()

    def _recover(self, group: Group) -> None:
        now = self.context.clock.now()
        for run in group.runs:
            if run.may_have_run:
                told = run.told(now, "Killing", "The emulator was ended, and the container with it")
                group = group.with_run(told.terminated(now, KILLED))
        if group.wish is Wish.DELETE:
            self._remove(group)
            return
        for run in group.runs if group.wish is Wish.RUN else ():
            code = run.current.exit_code
            if code is not None and starts_again(group.restart_policy, code):
                group = group.with_run(run.waiting("CrashLoopBackOff"))
        self.context.groups.put(group)
        if group.wish is Wish.RUN:
            self._start_waiting(group)

    def _start_waiting(self, group: Group) -> Group:
        for run in group.runs:
            if run.current.phase is ContainerPhase.WAITING:
                self._runs.start(group, run.name)
        return group

    async def _start_after(self, group: Group, ends: Coroutine[None, None, None]) -> None:
        await ends
        now = self.context.groups.get(group.key)
        if now and now.wish is not Wish.DELETE:
            self.start(now)

    async def _remove_after(self, group: Group, ends: Coroutine[None, None, None]) -> None:
        await ends
        if now := self.context.groups.get(group.key):
            self._remove(now)

    def _remove(self, group: Group) -> None:
        self.context.groups.remove(group)
        self.context.folders.drop(group)
        self._note(group, "deleted")

    def _note(self, group: Group, event: str) -> None:
        self.context.ledger.note("group", group.name, event, resource_group=group.resource_group)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


@contextlib.asynccontextmanager
async def open_engine(settings: Settings, documents: Documents, clock: Clock) -> AsyncIterator[Engine]:
    """An engine over the state on disk, recovered and running; in the end every process and `documents` are closed."""
    context = Context(
        settings=settings,
        groups=Records(documents, "group", Group, lambda group: group.key),
        keeper=Keeper(settings.state),
        folders=Folders(settings.state / "groups"),
        faults=Faults(Script()),
        ledger=Ledger(settings.state / "ledger.jsonl", clock),
        clock=clock,
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
