"""The Function app: what starts a run, what tells it news, and the HTTP API, bound to their triggers.

    on_trigger         a file was dropped into `triggers/` (Event Grid)           starts a run
    on_trigger_poison  the host gave a trigger up                                 says so in `rejected/`
    on_run_event       a worker or container has news                            nudges the run
    on_webhook         something happened to a run, and is to be told            tells it to who wants to know
    on_sweep           every half a minute                                       mends what was left undone
    http               /api/...                                                  the ASGI application
    the orchestrators and activities, each under its own name

Nothing connects before the first invocation: importing this module reads no setting and opens no connection.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import azure.durable_functions as df
import azure.functions as func

import orchestrations
from activities.catalogue import Catalogue
from activities.idle_workers import IdleWorkers
from activities.ports import Ports
from activities.registered import Activity, activities
from activities.run_control import RunControl
from activities.sweeping.starting import Starts
from activities.sweeping.sweep import Sweep
from activities.webhooks.telling import RetryPlan, Webhooks
from dropscore.api.app import create_api, open_operations
from dropscore.api.boundary import Boundary
from dropscore.api.callers import Callers, HostKeys, callers_for
from dropscore.api.insight.insight import Insight
from dropscore.api.operations import BASE
from dropscore.api.services import PageOptions, Services
from dropscore.api.starting import Starter
from dropscore.cloud.api_settings import Price, asks_for_tokens
from dropscore.cloud.connect import connect_runner, connect_storage, connect_workers
from dropscore.cloud.durable import DurableClient, DurableRuns
from dropscore.cloud.endpoints import origin_of
from dropscore.cloud.https_courier import HttpsCourier
from dropscore.cloud.known_runs import with_known_runs
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.malloc import FRUGAL, tell_malloc
from dropscore.cloud.ports import Cloud, Orchestrations
from dropscore.cloud.settings import AppSettings
from dropscore.contracts.base import Json
from dropscore.contracts.errors import ContractError, TransientCloudError
from dropscore.contracts.messages import poison_record, poisoned_trigger, read_event, read_news
from dropscore.contracts.names import POISON_QUEUES, ActivityName, ContainerName, OrchestratorName, QueueName
from dropscore.contracts.sweep import SweepReport

_LOG = logging.getLogger("dropscore.function_app")
_DATA, _SYSTEM = "DataStorage", "SystemStorage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What invocations work with, once connected."""

    ports: Ports
    services: Services
    activities: Mapping[ActivityName, Activity]
    webhooks: Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Sweeps on a thread, which asks the orchestrations of this invocation through its event loop."""

    sweep: Sweep
    starter: Starter

    async def __call__(self, orchestrations: Orchestrations) -> SweepReport | None:
        starts = Starts(asyncio.get_running_loop(), orchestrations, self.starter)
        return await asyncio.to_thread(self.sweep.sweep, starts)


def connect(environ: Mapping[str, str]) -> Connected:
    """Connect to the cloud that the settings name, in a process that keeps little memory."""
    tell_malloc(FRUGAL)
    settings = AppSettings.from_env(environ)
    return assemble(
        Ports(
            cloud=connect_storage(settings.data, settings.system),
            containers=connect_runner(settings),
            pool=connect_workers(settings),
            container_image=settings.container_image,
            container_environment=settings.container_environment(),
            courier=HttpsCourier(settings.api.webhook_allow),
            warm_s=settings.warm_s,
        ),
        callers=callers_for(settings.api.entra),
        retries=RetryPlan(attempts=settings.api.webhook_attempts, first_s=settings.api.webhook_retry_s),
        page=PageOptions(read_only=settings.api.page_read_only, media_origin=origin_of(settings.data.blob_url)),
        price=settings.api.price,
    )


def assemble(
    ports: Ports,
    callers: Callers | None = None,
    page: PageOptions = PageOptions(),  # noqa: B008
    retries: RetryPlan | None = None,
    price: Price | None = None,
) -> Connected:
    """Put the app together over given ports; without `callers`, whoever has a key of the host may call, and without
    `price` nothing is said of money.
    """
    cloud, known = with_known_runs(ports.cloud)
    ports, catalogue = replace(ports, cloud=cloud), Catalogue()
    callers = callers or HostKeys()
    starter = Starter(ports.cloud, tenants=callers.tenants)
    services = Services(
        cloud=ports.cloud,
        starter=starter,
        workloads=catalogue,
        control=RunControl(ports.cloud),
        sweep=Sweeper(sweep=Sweep(ports), starter=starter),
        callers=callers,
        insight=Insight(ports.cloud, known, price),
        page=page,
        courier=ports.courier,
    )
    return Connected(
        ports=ports,
        services=services,
        activities=activities(ports, catalogue),
        webhooks=Webhooks(ports.cloud, ports.courier, retries),
    )


def create_app(environ: Mapping[str, str] | None = None, connected: Lazy[Connected] | None = None) -> df.DFApp:
    """The app with all its functions, over the settings in `environ` (those of the process by default)."""
    variables = os.environ if environ is None else environ
    connected = connected or Lazy(lambda: connect(variables))
    asked_by_us = asks_for_tokens(variables)
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS if asked_by_us else func.AuthLevel.FUNCTION)
    _bind_triggers(app, connected)
    _bind_events(app, connected)
    _bind_webhooks(app, connected)
    _bind_sweep(app, connected)
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
        run_id = await starter.start_by_trigger(name, _runs(client), etag=version_of(trigger))
        _LOG.info("A trigger file was read.", extra={"run_id": run_id, "trigger": name, "action": "on_trigger"})

    @app.function_name("on_trigger_poison")
    @app.queue_trigger(arg_name="message", queue_name=QueueName.BLOB_TRIGGER_POISON, connection=_DATA)
    def on_trigger_poison(message: func.QueueMessage) -> None:
        body = message.get_body()
        name = poisoned_trigger(body)
        if name is None:
            put_aside(connected().ports.cloud, QueueName.BLOB_TRIGGER_POISON, body, "It names no trigger file.")
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
            event = read_event(body)
            if event.look_at_workers:
                await asyncio.to_thread(let_workers_go, connected)
            else:
                await _runs(client).nudge(event.run_id)
        except ContractError as error:
            cloud = (await asyncio.to_thread(connected)).ports.cloud
            await asyncio.to_thread(put_aside, cloud, QueueName.RUN_EVENTS, body, str(error))
        except TransientCloudError as error:
            _LOG.warning("A nudge was lost: %s", error)


def _bind_webhooks(app: df.DFApp, connected: Lazy[Connected]) -> None:
    """What is to be told of runs."""

    @app.function_name("on_webhook")
    @app.queue_trigger(arg_name="message", queue_name=QueueName.WEBHOOKS, connection=_SYSTEM)
    async def on_webhook(message: func.QueueMessage) -> None:
        body = message.get_body()
        here = await asyncio.to_thread(connected)
        try:
            news = read_news(body)
        except ContractError as error:
            await asyncio.to_thread(put_aside, here.ports.cloud, QueueName.WEBHOOKS, body, str(error))
            return
        await here.webhooks.handle(news)


def _bind_sweep(app: df.DFApp, connected: Lazy[Connected]) -> None:
    """The sweep. One that fails is not repeated: the next one comes soon."""

    @app.function_name("on_sweep")
    @app.timer_trigger(arg_name="timer", schedule="%SweepSchedule%", use_monitor=False)
    @app.durable_client_input(client_name="client")
    async def on_sweep(timer: func.TimerRequest, client: str) -> None:  # noqa: ARG001 - the host asks for it
        try:
            await (await asyncio.to_thread(connected)).services.sweep(_runs(client))
        except TransientCloudError as error:
            _LOG.warning("A sweep was not brought to its end: %s", error, extra={"action": "sweep_failed"})


def _bind_http(app: df.DFApp, connected: Lazy[Connected]) -> None:
    """The ASGI application at every address below the route prefix."""
    api = create_api(lambda: connected().services)

    async def http(req: func.HttpRequest, client: str) -> func.HttpResponse:
        await asyncio.to_thread(connected)  # the first time it takes long, and other requests go on meanwhile
        middleware = func.AsgiMiddleware(Boundary(api, _runs(client)))  # type: ignore[no-untyped-call]  # theirs
        answer: func.HttpResponse = await middleware.handle_async(req)
        return answer

    _route(app, http, "http", "{*route}", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    for operation in open_operations():
        name, route = f"http_{operation.id}", f"{BASE}{operation.path}".lstrip("/")
        _route(app, http, name, route, [operation.method], func.AuthLevel.ANONYMOUS)


type Answer = Callable[[func.HttpRequest, str], Awaitable[func.HttpResponse]]


def _route(
    app: df.DFApp, answer: Answer, name: str, route: str, methods: list[str], level: func.AuthLevel | None = None
) -> None:
    """Bind an address; the host asks for keys as `level` says, or as the app does for all."""

    async def http(req: func.HttpRequest, client: str) -> func.HttpResponse:
        return await answer(req, client)

    bound = app.durable_client_input(client_name="client")(http)
    app.function_name(name)(app.route(route=route, methods=methods, auth_level=level)(bound))


def _bind_activity(app: df.DFApp, name: ActivityName, connected: Lazy[Connected]) -> None:
    def run(payload: dict) -> dict:  # type: ignore[type-arg]  # the Functions worker refuses parameterized types
        return cast("dict[str, Json]", connected().activities[name](None, payload))

    run.__name__ = str(name)
    app.activity_trigger(input_name="payload", activity=str(name))(run)


def _runs(client: object) -> DurableRuns:
    """The orchestrations of this invocation. The host's client arrives where the binding declares text."""
    return DurableRuns(cast("DurableClient", client))


def version_of(trigger: func.InputStream) -> str | None:
    """The ETag of the version that an event tells of, where the host hands it on."""
    properties = getattr(trigger, "blob_properties", None) or {}  # not declared by the type it is annotated with
    etag = properties.get("ETag")
    return etag.strip('"') if isinstance(etag, str) and etag else None


def put_aside(cloud: Cloud, queue: QueueName, body: bytes, reason: str) -> None:
    """Put a message that nobody can read on its queue's poison queue, with the reason. It raises what storage does:
    then the message stays, and is delivered again.
    """
    record = poison_record(queue, reason, body, worker="function_app", at=cloud.clock.now())
    cloud.queue.send(POISON_QUEUES[queue], record)
    _LOG.warning("A message of %s was put aside: %s", queue, reason, extra={"action": "poisoned"})


def let_workers_go(connected: Lazy[Connected]) -> None:
    """End workers that should have left, and say so."""
    if ended := IdleWorkers(connected().ports).let_go():
        _LOG.warning("%d workers had nothing to do and were ended.", ended, extra={"action": "workers_ended"})


app = create_app()
