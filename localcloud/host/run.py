"""The host as a whole: load the app, restore its orchestrations, listen to everything, and stop in order."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from localcloud.durable.backend import DurableBackend
from localcloud.durable.journal import Journal
from localcloud.host import http, keys
from localcloud.host.config import HostJson, read_host_json
from localcloud.host.functions import FunctionApp, load_app
from localcloud.host.listeners import Listeners, listeners_of
from localcloud.host.pump import DurablePump
from localcloud.host.queues import LEASE_S
from localcloud.host.receipts import Receipts
from localcloud.host.storage import Connections
from localcloud.host.webhooks import BlobWebhook
from localcloud.locks import exclusive

HOST = "127.0.0.1"
STORAGE_THREADS = 16
DRAIN_S = 5.0
"""How long what is being executed may take to end when the host is stopped."""
MAX_MESSAGE_BYTES = (1 << 31) - 1

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What the host is started with."""

    app: Path
    state: Path
    """Folder of the journal, the receipts and the keys."""
    settings: Mapping[str, str]
    port: int = 0
    events_url: str | None = None
    ask_keys: bool = False
    message_lease_s: int = LEASE_S


async def run_host(options: HostOptions, *, say: Callable[[str], None]) -> None:
    """Run an app until SIGTERM or SIGINT. `say` is given the lines of the opening list, then one JSON line
    with `ready`, the `port` and the address of the task hub (`durable`).

    Raises `ConfigError` or `runtime.AppError` when the app cannot be served.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with exclusive(options.state / "host.lock"), contextlib.ExitStack() as stack:
        threads = ThreadPoolExecutor(STORAGE_THREADS, "storage")
        # Not waited for: a call may be between two attempts, and what it was to settle comes back by itself.
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        os.environ.update(options.settings)
        host_json = read_host_json(options.app / "host.json")
        app = await load_app(options.app)
        connections = Connections(settings=dict(os.environ), threads=threads)
        await _serve(options, host_json, app, connections, stop=stop, say=say)


async def _serve(
    options: HostOptions,
    host_json: HostJson,
    app: FunctionApp,
    connections: Connections,
    *,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    with _listening_socket(options.port) as listening, contextlib.ExitStack() as stack:
        port: int = listening.getsockname()[1]
        pump, app, durable = _durable(options, app, port, stack)
        receipts = Receipts(options.state / "blob-receipts.jsonl")
        stack.callback(receipts.close)
        listeners = listeners_of(app, host_json, connections, receipts, lease_s=options.message_lease_s)
        if options.events_url is not None:
            listeners.events.follow(options.events_url)
        routes = http.http_routes(app, host_json.route_prefix)
        asked = keys.function_keys(options.state / keys.KEYS_FILE) if options.ask_keys else None
        webhook = BlobWebhook(listeners=listeners.blobs, keys=asked)
        web = _web_server(http.server(app, routes, keys=asked, own=(webhook.route,)))
        for line in (*http.described(routes, f"http://{HOST}:{port}"), *listeners.described):
            say(line)
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(work) for work in (pump.run(), *listeners.work())]
            answering = tasks.create_task(web.serve(sockets=[listening]))
            say(json.dumps({"ready": True, "port": port, "durable": durable}))
            await stop.wait()
            _LOG.info("The host is stopping.")
            await _stop(web, answering, serving, listeners, pump)


async def _stop(
    web: uvicorn.Server,
    answering: "asyncio.Task[None]",
    serving: "list[asyncio.Task[None]]",
    listeners: Listeners,
    pump: DurablePump,
) -> None:
    """Take nothing new, then let what is being executed end."""
    web.should_exit = True
    await answering
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    await asyncio.gather(listeners.drain(DRAIN_S), pump.drain(DRAIN_S))


def _durable(
    options: HostOptions, app: FunctionApp, port: int, stack: contextlib.ExitStack
) -> tuple[DurablePump, FunctionApp, str]:
    """Start the task hub, take up its journal, and tell the app's durable clients where it is.

    Returns the pump, the app with its durable clients, and the task hub's address.
    """
    hub = DurableBackend(Journal(options.state / "durable.jsonl"))
    address = hub.start()
    stack.callback(hub.stop)
    app = replace(app, durable_client=_durable_client(address, port))
    pump = DurablePump(hub, app, asyncio.get_running_loop())
    hub.tell(pump.wake)
    if again := hub.restore():
        _LOG.warning("%d orchestrations were interrupted and go on: %s", len(again), ", ".join(again[:10]))
    return pump, app, address


def _durable_client(address: str, port: int) -> str:
    return json.dumps(
        {
            "taskHubName": "local",
            "rpcBaseUrl": f"http://{address}",
            "baseUrl": f"http://{HOST}:{port}/runtime/webhooks/durabletask",
            "requiredQueryStringParameters": "",
            "maxGrpcMessageSizeInBytes": MAX_MESSAGE_BYTES,
            "managementUrls": {},
            "creationUrls": {},
        }
    )


def _listening_socket(port: int) -> socket.socket:
    # The protocol is named, because asyncio turns Nagle's algorithm off only then: 40 ms for each further answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()  # calls are taken from now on, and answered once the web server runs
    except OSError:
        listening.close()
        raise
    return listening


def _web_server(app: object) -> uvicorn.Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # Starlette is an ASGI app
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=int(DRAIN_S),
    )
    server = uvicorn.Server(config)
    # Signals belong to the host as a whole.
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    return server
