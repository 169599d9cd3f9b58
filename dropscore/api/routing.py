"""From operations to routes: each asks first who calls, what they may do, and whether the run is theirs."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dropscore.api.callers import require
from dropscore.api.operations import Access, Handler, Operation, Served
from dropscore.api.services import Services
from dropscore.api.stored import StoredRuns

KEY_PARAMETER = "code"
"""In which the Functions host takes a key from callers that cannot send a header."""


def routes(operations: Sequence[Served], services: Callable[[], Services]) -> list[BaseRoute]:
    """A route for each address below `BASE` that takes all of its methods, so that what is said of a wrong method
    names every right one. What is written out comes before what has parameters.
    """
    by_path: dict[str, dict[str, Handler]] = {}
    for served in operations:
        answers = by_path.setdefault(served.operation.path, {})
        answers[served.operation.method] = guarded(served.handler, served.operation, services)
    paths = sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")])
    return [Route(path, by_method(by_path[path]), methods=list(by_path[path])) for path in paths]


def by_method(answers: Mapping[str, Handler]) -> Handler:
    """A handler that leaves each method to its own; HEAD is GET without the body."""

    async def answer(request: Request) -> Response:
        return await answers["GET" if request.method == "HEAD" else request.method](without_key(request))

    return answer


def without_key(request: Request) -> Request:
    """The request with no key of the Functions host in its query: the host has looked at it, and no operation does."""
    if KEY_PARAMETER not in request.query_params:
        return request
    query = [(name, value) for name, value in request.query_params.multi_items() if name != KEY_PARAMETER]
    return Request({**request.scope, "query_string": urlencode(query).encode()}, request.receive)


def guarded(handler: Handler, operation: Operation, services: Callable[[], Services]) -> Handler:
    """A handler that only answers who may ask; the caller is then in `request.state.caller`.

    A run in the path that is another tenant's is one that does not exist.
    """

    async def answer(request: Request) -> Response:
        if operation.access is not Access.OPEN:
            await run_in_threadpool(let_in, request, operation, services())
        return absolute(request, await handler(request))

    return answer


def let_in(request: Request, operation: Operation, services: Services) -> None:
    """Note who calls. Raises `FailedError` unless they may ask for the operation, and for the run named."""
    caller = services.callers.caller(dict(request.headers))
    require(caller, operation)
    run_id = request.path_params.get("run_id")
    if caller.tenant is not None and run_id is not None:
        StoredRuns(services.cloud.blobs).require_of(caller.tenant, run_id)
    request.state.caller = caller


def absolute(request: Request, response: Response) -> Response:
    """The answer with its `Location` as a whole address: Logic Apps follow no other."""
    location = response.headers.get("location", "")
    if location.startswith("/"):
        response.headers["location"] = f"{request.url.scheme}://{request.url.netloc}{location}"
    return response
