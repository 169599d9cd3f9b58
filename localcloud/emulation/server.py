"""HTTP on loopback: uvicorn around one router.

The emulators run programs for whoever asks, so they answer this machine alone: they listen on 127.0.0.1, and they
refuse a request whose `Host` or `Origin` is another name (a web page that found the port must not get through).
"""

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from localcloud.emulation.routing import (
    MAX_BODY_BYTES,
    Call,
    Handler,
    Match,
    Middleware,
    Router,
    ServiceError,
    query_of,
)

_logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
CLOSE_CONNECTIONS_AFTER_S = 1.0

RenderError = Callable[[Call, ServiceError], Response]


class Service:
    """The ASGI application around a router: reads the request, runs the middleware, renders what was refused."""

    def __init__(self, router: Router, middleware: Sequence[Middleware], render: RenderError) -> None:
        self._router = router
        self._middleware = middleware
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = _call_without_body(request)
        try:
            response = await self._answer(request, call)
        except ServiceError as error:
            response = self._render(call, error)
        except ClientDisconnect:
            return
        except Exception:  # the one boundary: a defect must reach the client in its service's form
            _logger.exception("%s %s failed inside the emulator.", call.method, call.path)
            response = self._render(call, ServiceError(500, "InternalError", "The emulator has a defect; see its log."))
        await response(scope, receive, send)

    async def _answer(self, request: Request, call: Call) -> Response:
        _check_names(request)
        match = self._router.find(call.method, call.path)
        query = query_of(request.url.query)
        whole = replace(call, query=query, body=await _read_body(request), parameters=match.parameters)
        handler = match.operation.handler or _not_emulated(match)
        for around in reversed(self._middleware):
            handler = _wrap(around, handler)
        return await handler(whole)


def _wrap(around: Middleware, inner: Handler) -> Handler:
    async def handler(call: Call) -> Response:
        return await around(call, inner)

    return handler


def _not_emulated(match: Match) -> Handler:
    async def refuse(_: Call) -> Response:
        operation = f"{match.operation.method} {match.operation.template}"
        raise ServiceError(501, "NotImplemented", f"The emulator does not implement {operation}.")

    return refuse


def _call_without_body(request: Request) -> Call:
    path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
    return Call(
        method=request.method,
        path=path,
        base_url=f"http://{request.headers.get('host', LOOPBACK)}",
        query={},
        headers={name.lower(): value for name, value in request.headers.items()},
        body=b"",
    )


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ServiceError(413, "RequestBodyTooLarge", f"A request body has {MAX_BODY_BYTES} bytes at most.")
    return bytes(body)


def _check_names(request: Request) -> None:
    host = urlsplit(f"//{request.headers.get('host', LOOPBACK)}").hostname
    origin = request.headers.get("origin")
    if host not in _LOOPBACK_NAMES or (origin and urlsplit(origin).hostname not in _LOOPBACK_NAMES):
        raise ServiceError(403, "Forbidden", "The emulator answers requests from this machine to a loopback name only.")


def bind(port: int) -> socket.socket:
    """Listen on a loopback port; 0 takes a free one.

    The protocol is named because asyncio switches off Nagle's algorithm only for sockets that name it. With it, each
    answer on a connection that is kept would wait some 40 ms for an acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(128)
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of a listener, without a slash at the end."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def serve(listener: socket.socket, open_service: Callable[[], AbstractAsyncContextManager[Service]]) -> None:
    """Serve until SIGTERM or SIGINT; `open_service` makes the service inside the event loop and closes it."""
    application = _Late()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with open_service() as service:
            application.service = service
            yield

    config = uvicorn.Config(
        Starlette(routes=[Mount("/", app=application)], lifespan=lifespan),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=int(CLOSE_CONNECTIONS_AFTER_S),
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


class _Late:
    """Stands for the service until it is open."""

    def __init__(self) -> None:
        self.service: Service | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.service is not None  # uvicorn takes requests only after the lifespan has begun
        await self.service(scope, receive, send)
