"""The ASGI application: the routes of the API, and room for more beside them."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from dropscore import __version__
from dropscore.api.problems import problem
from dropscore.api.runs import RunsApi
from dropscore.api.services import Services
from dropscore.contracts import layout
from dropscore.contracts.failures import Code, failure

_NO_ROUTE = {404: "There is nothing at this address.", 405: "This address does not take this method."}


def create_api(services: Callable[[], Services]) -> Starlette:
    """The application. `services` is called for each request, so that nothing connects before one comes."""
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
    return Starlette(routes=[Mount("/api", routes=api)], exception_handlers={HTTPException: no_route})


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


async def no_route(_request: Request, error: Exception) -> Response:
    """The answer to an address or method that does not exist."""
    if not isinstance(error, HTTPException):
        raise error
    answer = problem(failure(Code.REQUEST_FIELD, _NO_ROUTE.get(error.status_code)), status=error.status_code)
    answer.headers.update(error.headers or {})
    return answer
