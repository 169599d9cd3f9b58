"""Templates into answers: a whole page, or its live parts alone for the script that keeps it fresh.

A part is live when its block's name begins with `live_`. Everything that comes from outside is escaped by the
template engine, and what slipped through would not run: see `security`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from dropscore import __version__, quantities
from dropscore.api.boundary import NO_ROUTE, failure_of
from dropscore.api.page import words
from dropscore.api.page.assets import addresses, compressed
from dropscore.api.page.security import give, headers
from dropscore.api.page.visit import Visit, visit_of
from dropscore.api.problems import status_of
from dropscore.api.services import Services
from dropscore.contracts.failures import Code, Failure, failure

if TYPE_CHECKING:
    from jinja2 import Environment

LIVE_HEADER = "dropscore-live"
"""Sent by the script: only the live parts are wanted."""
LIVE_PREFIX = "live_"


class Pages:
    """Renders pages over the services."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._titles: Mapping[str, str] | None = None

    def titles(self) -> Mapping[str, str]:
        """The title of each workload by its name; they do not change while the process lives."""
        if self._titles is None:
            described = self._services().workloads.describe()
            self._titles = {str(workload["name"]): str(workload["title"]) for workload in described}
        return self._titles

    def visit(self, request: Request) -> Visit:
        """Who looks, and what they may do."""
        return visit_of(request, read_only=self._services().page.read_only)

    def answer(self, request: Request, template: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
        """A page, or its live parts alone where the script asks for them."""
        visit = self.visit(request)
        given = {"visit": visit, "every_ms": 0, "problem": None, **context}
        response: Response
        if LIVE_HEADER in request.headers:
            response = JSONResponse(_live_parts(template, given), status)
        else:
            response = HTMLResponse(_environment().get_template(template).render(given), status)
        response.headers.update(headers(self._services().page.media_origin))
        if visit.fresh:
            give(response, request, visit.token)
        return compressed(request, response)

    def failed(self, request: Request, error: Exception) -> Response:
        """The page that tells of an exception."""
        problem, status = _told(error)
        return self.answer(request, "problem.html", {"problem": problem, "status": status}, status=status)


def _told(error: Exception) -> tuple[Failure, int]:
    if isinstance(error, HTTPException):
        return failure(Code.PAGE_UNKNOWN, NO_ROUTE.get(error.status_code)), error.status_code
    problem = failure_of(error)
    return problem, status_of(problem)


def _live_parts(template: str, context: Mapping[str, Any]) -> dict[str, object]:
    loaded = _environment().get_template(template)
    parts = {
        name.removeprefix(LIVE_PREFIX): "".join(block(loaded.new_context(dict(context))))
        for name, block in loaded.blocks.items()
        if name.startswith(LIVE_PREFIX)
    }
    problem = context["problem"]
    told = {"problem": None if problem is None else problem.message, "every_ms": context["every_ms"]}
    return {"parts": parts, **told, **context.get("told", {})}


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, quantities=quantities, asset=addresses(), version=__version__)
    environment.globals["ui"] = environment.get_template("ui.html").module
    return environment
