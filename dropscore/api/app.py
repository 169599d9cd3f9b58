"""The ASGI application: the routes of the API, and room for more beside them."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from dropscore import __version__
from dropscore.api.runs import RunsApi
from dropscore.api.services import Services
from dropscore.contracts import layout


def create_api(services: Callable[[], Services]) -> Router:
    """The application, to be called through a `Boundary`.

    `services` is called for each request, so that nothing connects before one comes. It is a bare router: Starlette's
    application object would answer an exception itself, and raise it again.
    """
    runs = RunsApi(services)
    system = SystemApi(services)
    api: list[BaseRoute] = [
        Route("/runs", runs.start, methods=["POST"]),
        Route("/runs", runs.list, methods=["GET"]),
        Route("/runs/{run_id}", runs.show, methods=["GET"]),
        Route("/runs/{run_id}/cancel", runs.cancel, methods=["POST"]),
        Route("/workloads", system.workloads, methods=["GET"]),
        Route("/health", system.health, methods=["GET"]),
    ]
    return Router([Mount("/api", app=Router(api, redirect_slashes=False))], redirect_slashes=False)


class SystemApi:
    """What the application tells of itself."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    async def workloads(self, _request: Request) -> Response:
        """GET /api/workloads: their names, titles and the JSON Schema of their options."""
        described = await run_in_threadpool(self._services().workloads.describe)
        return JSONResponse({"workloads": described})

    async def health(self, _request: Request) -> Response:
        """GET /api/health: 200 when storage answers; otherwise the problem is that it does not."""
        await run_in_threadpool(self._services().cloud.blobs.head, layout.index_entry("health"))
        return JSONResponse({"status": "ok", "version": __version__})
