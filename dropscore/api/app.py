"""The ASGI application: every room's operations at their addresses, the description of all of them, and the page."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Router

from dropscore import __version__
from dropscore.api.control import ControlApi
from dropscore.api.event_webhooks import EventWebhooksApi
from dropscore.api.files import FilesApi
from dropscore.api.insight.rooms import INSIGHT_ROOMS
from dropscore.api.openapi import describe, with_workloads
from dropscore.api.operations import BASE, Access, Answer, Operation, Served, operations_of, serves
from dropscore.api.page.routes import page_routes
from dropscore.api.poison_routes import PoisonApi
from dropscore.api.replays import ReplaysApi
from dropscore.api.results import ResultsApi
from dropscore.api.routing import routes
from dropscore.api.runs import RunsApi
from dropscore.api.services import Services
from dropscore.api.sweeping import SweepApi
from dropscore.api.webhooks import WebhooksApi
from dropscore.api.workloads import WorkloadsApi
from dropscore.contracts import layout
from dropscore.contracts.http.system import Health


def create_api(services: Callable[[], Services]) -> Router:
    """The application, to be called through a `Boundary`.

    `services` is called for each request, so that nothing connects before one comes. It is a bare router: Starlette's
    application object would answer an exception itself, and raise it again.
    """
    served = everything(services)
    api = Router(routes(served, services), redirect_slashes=False)
    page = Router(page_routes(services, served), redirect_slashes=False)
    return Router([Mount(BASE, app=api), Mount("/api", app=api), Mount("/", app=page)], redirect_slashes=False)


def everything(services: Callable[[], Services]) -> tuple[Served, ...]:
    """Every operation of the API, in the order of its description."""
    rooms = (
        RunsApi,
        ResultsApi,
        ReplaysApi,
        FilesApi,
        ControlApi,
        *INSIGHT_ROOMS,
        SweepApi,
        PoisonApi,
        WebhooksApi,
        EventWebhooksApi,
        WorkloadsApi,
        SystemApi,
    )
    return tuple(served for room in rooms for served in operations_of(room(services)))


def open_operations() -> tuple[Operation, ...]:
    """What answers everybody; the host is not to ask for a key there."""

    def nothing() -> Services:
        raise AssertionError("nobody asks anything of it")

    return tuple(one.operation for one in everything(nothing) if one.operation.access is Access.OPEN)


class SystemApi:
    """What the application tells of itself."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="GetHealth",
        method="GET",
        path="/health",
        summary="Get health",
        description="Answers when storage does.",
        tag="system",
        access=Access.OPEN,
        answers={200: Answer(description="Storage answers.", contract=Health)},
    )
    async def health(self, _request: Request) -> Response:
        """GET /health: 200 when storage answers; otherwise the problem is that it does not."""
        await run_in_threadpool(self._services().cloud.blobs.head, layout.index_entry("health"))
        return JSONResponse({"status": "ok", "version": __version__})

    @serves(
        id="GetOpenApi",
        method="GET",
        path="/openapi.json",
        summary="Get the description",
        description="This description, in OpenAPI 3.1.",
        tag="system",
        access=Access.OPEN,
        answers={200: Answer(description="OpenAPI 3.1.")},
    )
    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json: the description of all operations, as served at the address asked."""
        server = f"{request.url.scheme}://{request.url.netloc}"
        operations = [one.operation for one in everything(self._services)]
        described = describe(operations, server, self._services().callers.scheme)
        workloads = await run_in_threadpool(self._services().workloads.describe)
        return JSONResponse(with_workloads(described, workloads))
