"""Takes letters over HTTPS, to the very address that was checked.

A library for HTTP looks names up by itself, follows redirects and obeys proxies of the environment; here a name is
looked up once, and the connection goes to what was found. Of the answer nothing but its status is wanted.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from dropscore.cloud.courier import MOST_ANSWER_BYTES, WITHIN_S, Letter, Reply
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.targets import Target, read_target, refused, require_public
from dropscore.contracts.errors import FailedError

LISTEN_S = 0.5
"""Longest wait for the end of an answer whose status is known."""
AT_ONCE = 16
"""Letters on their way at once, of one process."""

type Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""The addresses of a host; empty when it has none. Raises `OSError` when nobody could be asked."""
type Dial = Callable[[str, Target, float], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects to one address for a target, within so many seconds."""


class SystemNames:
    """Asks the system for the addresses of a host, on threads of its own: whoever lets us wait for an answer about
    their name keeps nobody else waiting.
    """

    def __init__(self) -> None:
        self._threads = Lazy(lambda: ThreadPoolExecutor(AT_ONCE, thread_name_prefix="names"))

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads(), ask)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise
            return ()
        except UnicodeError:
            return ()
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class HttpsCourier:
    """A `Courier`. `allow` names targets (`host` or `host:port`) that may be private or plain http; `trust` replaces
    the certificates of the system; `find` and `dial` are for who looks names up, or connects, otherwise.
    """

    def __init__(
        self,
        allow: Collection[str] = (),
        *,
        within_s: float = WITHIN_S,
        trust: ssl.SSLContext | None = None,
        find: Resolve | None = None,
        dial: Dial | None = None,
    ) -> None:
        self._allow = frozenset(allow)
        self._within_s = within_s
        self._trust = Lazy(lambda: trust or ssl.create_default_context())
        self._find = find or SystemNames()
        self._dial = dial or self._connect
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def check(self, url: str) -> None:
        """Raise `FailedError` (E-WEBHOOK-TARGET) for an address that no letter may go to, or that leads nowhere."""
        target = read_target(url, self._allow)
        try:
            async with asyncio.timeout(self._within_s):
                await self._addresses(target)
        except OSError:  # a timeout is one too
            raise refused("its host could not be looked up; try again") from None

    async def post(self, letter: Letter) -> Reply:
        """Take a letter there. Waits until fewer than `AT_ONCE` are on their way; that time is not counted."""
        async with self._slots:
            try:
                async with asyncio.timeout(self._within_s):
                    return await self._posted(letter)
            except FailedError as error:
                return Reply(problem=error.failure.message)
            except TimeoutError:
                return Reply(problem=f"the receiver did not answer within {self._within_s:g} s")
            except (OSError, EOFError, ValueError) as error:
                return Reply(problem=f"the receiver could not be reached ({type(error).__name__})")

    async def _posted(self, letter: Letter) -> Reply:
        target = read_target(letter.url, self._allow)
        addresses = await self._addresses(target)
        reader, writer = await self._first_open(addresses, target)
        try:
            writer.write(request_bytes(letter, target))
            await writer.drain()
            status = await read_status(reader)
            await _hear_out(reader)
            return Reply(status=status)
        finally:
            writer.transport.abort()

    async def _addresses(self, target: Target) -> tuple[str, ...]:
        addresses = await self._find(target.host, target.port)
        require_public(addresses, target)
        return addresses

    async def _first_open(
        self, addresses: tuple[str, ...], target: Target
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The first address that can be connected to; each gets its share of the time."""
        share_s = self._within_s / len(addresses)
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._dial(address, target, share_s)
        return await self._dial(addresses[-1], target, self._within_s)

    async def _connect(
        self, address: str, target: Target, within_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(within_s):
            return await asyncio.open_connection(
                address,
                target.port,
                limit=MOST_ANSWER_BYTES,
                ssl=await asyncio.to_thread(self._trust) if target.encrypted else None,
                server_hostname=target.host if target.encrypted else None,
            )


async def _hear_out(reader: asyncio.StreamReader) -> None:
    """Read what else the receiver has to say, so that it is not cut off; no more than is allowed, and not for long."""
    with suppress(OSError, EOFError):
        async with asyncio.timeout(LISTEN_S):
            await reader.readexactly(MOST_ANSWER_BYTES)


def request_bytes(letter: Letter, target: Target) -> bytes:
    """The request as it is sent. Raises ValueError for a header that would be two."""
    headers = {
        "Host": target.name,
        "User-Agent": "dropscore-webhooks/1",
        "Content-Length": str(len(letter.body)),
        "Connection": "close",
        **letter.headers,
    }
    if any(sign in f"{name}{value}" for name, value in headers.items() for sign in "\r\n\0"):
        raise ValueError("a header has a line break")
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + letter.body


async def read_status(reader: asyncio.StreamReader) -> int:
    """The status of an answer, past those that only say that one comes. Reads `MOST_ANSWER_BYTES` at most.

    Raises ValueError for what is no answer, `EOFError` or `OSError` when it ends before.
    """
    left = MOST_ANSWER_BYTES
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise ValueError("the answer's head is too long") from None
        left -= len(head)
        words = head.split(b"\r\n", 1)[0].split(None, 2)
        if left < 0 or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise ValueError("the answer is no HTTP")
        status = int(words[1][:4])
        if status < 100 or status > 999:
            raise ValueError("the answer is no HTTP")
        if status >= 200:
            return status
