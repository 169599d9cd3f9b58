"""The Function app: what starts a run, what tells it news, and the HTTP API, bound to their triggers.

    on_trigger         a file was dropped into `triggers/` (Event Grid)           starts a run
    on_trigger_poison  the host gave a trigger up                                 says so in `rejected/`
    on_run_event       a worker or container has news                            nudges the run
    http               /api/...                                                  the ASGI application
    the orchestrators and activities, each under its own name

Nothing connects before the first invocation: importing this module reads no setting and opens no connection.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import azure.durable_functions as df
import azure.functions as func

import orchestrations
from activities.catalogue import Catalogue
from activities.ports import Ports
from activities.registered import Activity, activities
from dropscore.api.app import create_api
from dropscore.api.boundary import Boundary
from dropscore.api.services import Services
from dropscore.api.starting import Starter
from dropscore.cloud.connect import connect_runner, connect_storage, connect_workers
from dropscore.cloud.durable import DurableClient, DurableRuns
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.ports import MessageQueue
from dropscore.cloud.settings import AppSettings
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, parse
from dropscore.contracts.errors import ContractError, TransientCloudError
from dropscore.contracts.names import ActivityName, ContainerName, OrchestratorName, QueueName
from dropscore.contracts.plan import RunEvent

_LOG = logging.getLogger("dropscore.function_app")
_DATA, _SYSTEM = "DataStorage", "SystemStorage"
MOST_KEPT = 8192
"""Bytes of an unreadable message that are put aside with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What invocations work with, once connected."""

    ports: Ports
    services: Services
    activities: Mapping[ActivityName, Activity]


def connect(environ: Mapping[str, str]) -> Connected:
    """Connect to the cloud that the settings name."""
    settings = AppSettings.from_env(environ)
    return assemble(
        Ports(
            cloud=connect_storage(settings.data, settings.system),
            containers=connect_runner(settings),
            pool=connect_workers(settings),
            container_image=settings.container_image,
            container_environment=settings.container_environment(),
        )
    )


def assemble(ports: Ports) -> Connected:
    """Put the app together over given ports."""
    catalogue = Catalogue()
    services = Services(cloud=ports.cloud, starter=Starter(ports.cloud), workloads=catalogue)
    return Connected(ports=ports, services=services, activities=activities(ports, catalogue))


def create_app(environ: Mapping[str, str] | None = None, connected: Lazy[Connected] | None = None) -> df.DFApp:
    """The app with all its functions, over the settings in `environ` (those of the process by default)."""
    variables = os.environ if environ is None else environ
    connected = connected or Lazy(lambda: connect(variables))
    app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
    _bind_triggers(app, connected)
    _bind_events(app, connected)
    _bind_http(app, connected)
    for orchestrator in OrchestratorName:
        story = getattr(orchestrations, orchestrator)
        app.orchestration_trigger(context_name="context", orchestration=str(orchestrator))(story)
    for activity in ActivityName:
        _bind_activity(app, activity, connected)
    return app


def _bind_triggers(app: df.DFApp, connected: Lazy[Connected]) -> None:
    """What starts a run, and what the host gave up to start."""

    @app.function_name("on_trigger")
    @app.blob_trigger(
        arg_name="trigger",
        path=f"{ContainerName.TRIGGERS}/{{name}}",
        connection=_DATA,
        source=func.BlobSource.EVENT_GRID,
    )
    @app.durable_client_input(client_name="client")
    async def on_trigger(trigger: func.InputStream, client: str) -> None:
        name = (trigger.name or "").removeprefix(f"{ContainerName.TRIGGERS}/")
        starter = (await asyncio.to_thread(connected)).services.starter
        run_id = await starter.start_by_trigger(name, _runs(client))
        _LOG.info("A trigger file was read.", extra={"run_id": run_id, "trigger": name, "action": "on_trigger"})

    @app.function_name("on_trigger_poison")
    @app.queue_trigger(arg_name="message", queue_name=QueueName.BLOB_TRIGGER_POISON, connection=_DATA)
    def on_trigger_poison(message: func.QueueMessage) -> None:
        name = poisoned_trigger(message.get_body())
        if name is None:
            _LOG.error("A message on %s names no trigger file.", QueueName.BLOB_TRIGGER_POISON)
            return
        connected().services.starter.reject_poison(name)


def _bind_events(app: df.DFApp, connected: Lazy[Connected]) -> None:
    """News of a run. Losing one changes nothing, so nothing here is worth another delivery."""

    @app.function_name("on_run_event")
    @app.queue_trigger(arg_name="message", queue_name=QueueName.RUN_EVENTS, connection=_SYSTEM)
    @app.durable_client_input(client_name="client")
    async def on_run_event(message: func.QueueMessage, client: str) -> None:
        body = message.get_body()
        try:
            event = decode(RunEvent, body)
            await _runs(client).nudge(event.run_id)
        except ContractError as error:
            queue = (await asyncio.to_thread(connected)).ports.cloud.queue
            await asyncio.to_thread(put_aside, queue, QueueName.RUN_EVENTS_POISON, body, str(error))
        except TransientCloudError as error:
            _LOG.warning("A nudge was lost: %s", error)


def _bind_http(app: df.DFApp, connected: Lazy[Connected]) -> None:
    """The ASGI application at every address below the route prefix."""
    api = create_api(lambda: connected().services)

    @app.function_name("http")
    @app.route(route="{*route}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    @app.durable_client_input(client_name="client")
    async def http(req: func.HttpRequest, client: str) -> func.HttpResponse:
        await asyncio.to_thread(connected)  # the first time it takes long, and other requests go on meanwhile
        middleware = func.AsgiMiddleware(Boundary(api, _runs(client)))  # type: ignore[no-untyped-call]  # theirs
        answer: func.HttpResponse = await middleware.handle_async(req)
        return answer


def _bind_activity(app: df.DFApp, name: ActivityName, connected: Lazy[Connected]) -> None:
    def run(payload: dict) -> dict:  # type: ignore[type-arg]  # the Functions worker refuses parameterized types
        return cast("dict[str, Json]", connected().activities[name](None, payload))

    run.__name__ = str(name)
    app.activity_trigger(input_name="payload", activity=str(name))(run)


def _runs(client: object) -> DurableRuns:
    """The orchestrations of this invocation. The host's client arrives where the binding declares text."""
    return DurableRuns(cast("DurableClient", client))


def poisoned_trigger(body: bytes) -> str | None:
    """The trigger file that a message of the host's blob-poison queue names; None when it names none of ours."""
    try:
        message = parse(body, name="poison message")
    except ContractError:
        return None
    if not isinstance(message, dict) or message.get("ContainerName") != ContainerName.TRIGGERS:
        return None
    name = message.get("BlobName")
    return name if isinstance(name, str) and name else None


def put_aside(queue: MessageQueue, poison: QueueName, body: bytes, reason: str) -> None:
    """Put a message that nobody can read on its poison queue, with the reason."""
    kept = {"reason": reason, "body": body[:MOST_KEPT].decode("utf-8", errors="replace")}
    queue.send(poison, json.dumps(kept).encode())


app = create_app()
