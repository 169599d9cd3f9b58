"""The processes of one local cloud as the kernel knows them: which there are, and what each is."""

import contextlib
import os
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

MARK = "CHAOS_CLOUD"
"""Environment variable that what is started by a cloud's supervisor inherits."""
OWNER = b"LOCALCLOUD_OWNER="
"""The emulators' own mark on what they start: the folder of their state."""


class Role(StrEnum):
    """What a process is for."""

    SUPERVISOR = "supervisor"
    AZURITE = "azurite"
    HOST = "host"
    BATCH = "batch"
    BATCH_KEEPER = "batch-keeper"
    CONTAINERS = "containers"
    CONTAINERS_KEEPER = "containers-keeper"
    WORKER = "worker"
    """A worker's process, the one that Batch started."""
    WORKER_CHILD = "worker-child"
    """What a worker's own keeper started: there the shards are scored."""
    PLANNER = "planner"
    STITCHER = "stitcher"
    OTHER = "other"


RESIDENT = frozenset(Role) - {Role.PLANNER, Role.STITCHER, Role.OTHER}
"""What may live while no run is under way."""

_BY_COMMAND = (
    ("-m localcloud up", Role.SUPERVISOR),
    ("azurite_npm/serve.cjs", Role.AZURITE),
    ("-m localcloud.host", Role.HOST),
    ("-m localcloud.batch", Role.BATCH),
    ("-m localcloud.containers", Role.CONTAINERS),
    ("-m gpu_worker", Role.WORKER),
    ("-m cpu_worker plan", Role.PLANNER),
    ("-m cpu_worker stitch", Role.STITCHER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. `task` is the Batch task it belongs to, if it does."""

    pid: int
    parent: int
    role: Role
    command: str
    task: str = ""

    def send(self, number: int) -> None:
        """Send a signal; a process that has ended needs none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def processes_of(home: Path, mark: str) -> list[Process]:
    """The living processes of the cloud in this folder."""
    found = [process for pid in _pids() if (process := _read(pid, str(home).encode(), mark.encode())) is not None]
    workers = {process.pid for process in found if process.role is Role.WORKER}
    return [_as_child(process) if process.parent in workers else process for process in found]


def family(roots: Iterable[Process], all_of_them: Sequence[Process]) -> list[Process]:
    """These processes and everything they started."""
    chosen = {process.pid: process for process in roots}
    grown = True
    while grown:
        more = {one.pid: one for one in all_of_them if one.parent in chosen and one.pid not in chosen}
        chosen |= more
        grown = bool(more)
    return list(chosen.values())


def kill_all(processes: Sequence[Process]) -> None:
    """End processes in one instant: none of them sees another's death."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            process.send(number)


def _as_child(process: Process) -> Process:
    if process.role is not Role.WORKER:
        return process
    return Process(
        pid=process.pid,
        parent=process.parent,
        role=Role.WORKER_CHILD,
        command=process.command,
        task=process.task,
    )


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _read(pid: int, home: bytes, mark: bytes) -> Process | None:
    folder = Path("/proc") / str(pid)
    try:
        environment = (folder / "environ").read_bytes().split(b"\0")
        words = (folder / "cmdline").read_bytes().split(b"\0")
        after_name = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ours = MARK.encode() + b"=" + mark in environment
    started = any(variable.startswith(OWNER + home) for variable in environment)
    if not (ours or started) or after_name[0] in "ZX":
        return None
    command = b" ".join(words).decode(errors="replace").strip()
    task = next((text[17:].decode() for text in environment if text.startswith(b"AZ_BATCH_TASK_ID=")), "")
    return Process(pid=pid, parent=int(after_name[1]), role=_role(command), command=command, task=task)


def _role(command: str) -> Role:
    if "emulation/keeper.py" in command:
        return Role.BATCH_KEEPER if command.rstrip().endswith("/batch") else Role.CONTAINERS_KEEPER
    return next((role for words, role in _BY_COMMAND if words in command), Role.OTHER)
