"""The emulator's side of the keeper: start a program, signal it, wait for its end. One event loop, no threads."""

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.emulation import keeper as keeper_program
from localcloud.emulation.keeper import MARK

KILLED = 128 + signal.SIGKILL
"""Exit code of a program that was ended with SIGKILL."""


class LaunchError(Exception):
    """A program could not be started; `missing` when there is no such program."""

    def __init__(self, message: str, *, missing: bool) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to start in `folder`, with exactly this environment.

    Output goes to `log` (both streams, each line behind its time), or to `stdout` and `stderr` as it is.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    stdout: Path | None = None
    stderr: Path | None = None
    log: Path | None = None


class Child:
    """A program that was started: the leader of its own session and process group."""

    def __init__(self, pid: int, signal_it: "_Signal", ended: asyncio.Future[int]) -> None:
        self.pid = pid
        self._signal = signal_it
        self._ended = ended

    async def wait(self) -> int:
        """Wait for its end. Returns the exit code, 128 + n after signal n."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """Send a signal to the whole process group."""
        if not self._ended.done():
            self._signal(number)

    async def end(self, *, grace_s: float) -> int:
        """Ask it to end with SIGTERM and insist with SIGKILL after `grace_s`. Returns the exit code."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                return await self.wait()
        self.signal(signal.SIGKILL)
        return await self.wait()


class _Signal:
    """Sends signals to one child through the keeper."""

    def __init__(self, keeper: "Keeper", number: int) -> None:
        self._keeper = keeper
        self._number = number

    def __call__(self, number: int) -> None:
        self._keeper.send({"op": "signal", "id": self._number, "signal": int(number)})


class Keeper:
    """Starts children through a keeper process; starts another keeper should that one be killed."""

    def __init__(self, owner: Path) -> None:
        self._owner = str(owner.resolve())
        self._numbers = itertools.count(1)
        self._starting: dict[int, asyncio.Future[int]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Start the keeper process, which first kills what an earlier emulator of this folder left running."""
        async with self._opening:
            if self._writer is not None:
                return
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", keeper_program.__file__, self._owner],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            reader, self._writer = await asyncio.open_connection(sock=ours)
            self._listener = asyncio.create_task(self._listen(reader))

    async def run(self, command: Command) -> Child:
        """Start a program. Raises LaunchError."""
        await self.open()
        number = next(self._numbers)
        loop = asyncio.get_running_loop()
        started = self._starting[number] = loop.create_future()
        ended = self._running[number] = loop.create_future()
        self.send(_start_message(number, command, self._owner))
        try:
            pid = await started
        except LaunchError:
            self._running.pop(number, None)
            raise
        except asyncio.CancelledError:  # nobody will know of this child: it must not live
            self.send({"op": "signal", "id": number, "signal": int(signal.SIGKILL)})
            raise
        return Child(pid, _Signal(self, number), ended)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message to the keeper; one that is gone needs none."""
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def close(self) -> None:
        """Kill every child that is left and wait until keeper and children are gone."""
        if self._writer is None or self._process is None or self._listener is None:
            return
        self._writer.write_eof()
        await self._listener
        self._process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self._receive(json.loads(line))
        self._lose()

    def _receive(self, message: Mapping[str, Any]) -> None:
        number = message["id"]
        if "exit" in message:
            _settle(self._running.pop(number, None), message["exit"])
        elif (started := self._starting.pop(number, None)) and not started.done():
            if "pid" in message:
                started.set_result(message["pid"])
            else:
                started.set_exception(LaunchError(message["error"], missing=message["missing"]))

    def _lose(self) -> None:
        """The keeper is gone, and with it every child."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        if self._process is not None:
            self._process.wait()
        for started in self._starting.values():
            if not started.done():
                started.set_exception(LaunchError("the keeper was killed", missing=False))
        for ended in self._running.values():
            _settle(ended, KILLED)
        self._starting.clear()
        self._running.clear()


def _settle(future: asyncio.Future[int] | None, value: int) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _start_message(number: int, command: Command, owner: str) -> dict[str, Any]:
    def path(value: Path | None) -> str | None:
        return None if value is None else str(value)

    return {
        "op": "start",
        "id": number,
        "argv": list(command.argv),
        "env": {**command.environment, MARK: owner},
        "folder": str(command.folder),
        "stdout": path(command.stdout),
        "stderr": path(command.stderr),
        "log": path(command.log),
    }
