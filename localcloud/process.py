"""One process of the local cloud: started so that it dies with us, listened to, asked to end."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEALTH_EVERY_S = 0.03
HEALTH_TIMEOUT_S = 2.0
LAST_WORDS_S = 1.0
LINE_LIMIT_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1

type Say = Callable[[str, str], None]
"""Takes the name of a process and a line it printed."""


class StartError(Exception):
    """A process ended, or said nothing, before it was ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What to start. It is ready when `health_port` answers `GET /healthz` with 200, or, if it `says_ready`, when it
    prints a line of JSON with the member `ready`. Without either it is a command that does its work and ends.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    health_port: int | None = None
    says_ready: bool = False
    start_limit_s: float = 60.0
    stop_limit_s: float = 10.0


class Process:
    """A running service."""

    def __init__(self, service: Service, process: asyncio.subprocess.Process, say: Say) -> None:
        self.service = service
        self.pid = process.pid
        self.opening: list[str] = []
        """What it printed on its standard output before it was ready."""
        self._process = process
        self._say = say
        self._said: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        assert process.stdout is not None
        assert process.stderr is not None
        self._reading = asyncio.gather(
            _read_lines(process.stdout, self._take_output),
            _read_lines(process.stderr, lambda line: say(service.name, line)),
        )

    async def ready(self) -> dict[str, Any]:
        """Wait until it is ready; returns the JSON it printed. Raises `StartError`."""
        ended = asyncio.ensure_future(self._process.wait())
        healthy = asyncio.ensure_future(self._healthy())
        try:
            async with asyncio.timeout(self.service.start_limit_s):
                await asyncio.wait({ended, healthy}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise StartError(f"{self.service.name} was not ready in {self.service.start_limit_s:.0f} s.") from None
        finally:
            ended.cancel()
            healthy.cancel()
        if not healthy.done() or healthy.cancelled():
            raise StartError(
                f"{self.service.name} ended with exit code {self._process.returncode} before it was ready."
            )
        return healthy.result()

    async def wait(self) -> int:
        """Wait for its end and for its last words; returns the exit code, negative after a signal."""
        code = await self._process.wait()
        # A process it started may hold its output open; that one's words are not waited for.
        await asyncio.wait({self._reading}, timeout=LAST_WORDS_S)
        return code

    async def stop(self) -> bool:
        """Ask it to end, and insist when its time is over. Says whether asking was enough."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.service.stop_limit_s):
                await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.wait()
            return False
        return True

    def signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _healthy(self) -> dict[str, Any]:
        if self.service.health_port is None:
            return await asyncio.shield(self._said)
        while not await _answers(self.service.health_port):
            await asyncio.sleep(HEALTH_EVERY_S)
        return {}

    def _take_output(self, line: str) -> None:
        if not self.service.says_ready or self._said.done():
            self._say(self.service.name, line)
        elif line.startswith("{"):
            self._said.set_result(json.loads(line))
        else:
            self.opening.append(line)


async def start(service: Service, *, say: Say, inherit: tuple[int, ...] = ()) -> Process:
    """Start a service in a session of its own. It keeps the descriptors in `inherit` open.

    Its standard input is a pipe that closes with us, and on Linux it gets SIGTERM when we die, however we die.
    Raises `StartError`.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *service.command,
            cwd=service.folder,
            env={**os.environ, **service.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=inherit,
            start_new_session=True,  # a Ctrl-C is for the supervisor, which stops everything in order
            preexec_fn=_die_with_parent(),
            limit=LINE_LIMIT_BYTES,
        )
    except OSError as error:
        raise StartError(f"{service.name} could not be started: {error}") from error
    return Process(service, process, say)


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return before_exec


async def _read_lines(stream: asyncio.StreamReader, take: Callable[[str], None]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # a line longer than the limit is dropped
        if not line:
            return
        take(line.decode(errors="replace").rstrip())


async def _answers(port: int) -> bool:
    """Whether `GET /healthz` on a loopback port gives 200."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
