"""HTTP triggers: routes, methods and keys of the app's functions, served on loopback."""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcloud.host.config import ConfigError
from localcloud.host.functions import Function, FunctionApp
from localcloud.host.runtime import Datum, datum

BODY_LIMIT_BYTES = 100 << 20
"""The real host's limit on the body of a request."""
READING = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing; somebody who watches a run calls them a few times a second."""
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
# A page on the web can make a browser call loopback under a name of its own; only these names are answered.
HOST_NAMES = ("127.0.0.1", "localhost")


class _Rest(Convertor[str]):
    """All that follows, whatever characters it has; Starlette's own `path` ends at a line break."""

    regex = r"(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("rest", _Rest())

type Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRoute:
    """Where an HTTP function is found. `path` is written as in the binding, with the app's prefix."""

    function: Function
    path: str
    methods: tuple[str, ...]

    @property
    def level(self) -> str:
        """The key a caller needs, where keys are asked for: anonymous, function or admin."""
        return str(self.function.trigger.get("authLevel", "function")).lower()


def http_routes(app: FunctionApp, prefix: str) -> tuple[HttpRoute, ...]:
    """The routes of all HTTP functions, the more exact ones first."""
    routes = [_route(function, prefix) for function in app.of_kind("httpTrigger")]
    return tuple(sorted(routes, key=lambda route: _vagueness(route.path)))


def _route(function: Function, prefix: str) -> HttpRoute:
    path = function.trigger.get("route") or function.name
    methods = tuple(str(method).upper() for method in function.trigger.get("methods") or METHODS)
    return HttpRoute(function=function, path=f"/{prefix.strip('/')}/{path}".replace("//", "/"), methods=methods)


def _vagueness(path: str) -> list[int]:
    """Sorts literal segments before parameters, and parameters before a rest that takes everything."""
    return [2 if part.startswith("{*") else 1 if "{" in part else 0 for part in path.split("/")]


def described(routes: Sequence[HttpRoute], base_url: str) -> list[str]:
    """One line for each route, as `func start` prints them."""
    return [f"{route.function.name}: [{','.join(route.methods)}] {base_url}{route.path}" for route in routes]


def server(
    app: FunctionApp, routes: Sequence[HttpRoute], *, keys: Mapping[str, str] | None, own: Sequence[Route] = ()
) -> Starlette:
    """The web server of an app. `keys` (by name, `master` among them) are asked for; None asks for none. `own` are
    further addresses of the host itself.
    """
    listed = [Route("/admin/host/status", _status, methods=["GET"]), *own]
    for route in routes:
        endpoint, methods = _endpoint(app, route, keys), list(route.methods)
        listed.extend(Route(path, endpoint, methods=methods) for path in starlette_paths(route.path))
    return Starlette(routes=listed, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOST_NAMES))])


def starlette_paths(path: str) -> list[str]:
    """A binding's route in Starlette's words, e.g. `/runs/{id:int}` or `/{*rest}`; two for an optional parameter.

    Raises `ConfigError` for a constraint that is not served.
    """
    found = re.search(r"\{(\*?)(\w+)(?::(\w+))?(\?)?\}", path)
    if found is None:
        return [path]
    rest, name, constraint, optional = found.groups()
    kinds = {None: "str", "int": "int", "guid": "uuid", "alpha": "str", "long": "int"}
    if constraint not in kinds:
        raise ConfigError(f"The route {path!r} has the constraint {constraint!r}, which this host does not serve.")
    kind = "rest" if rest else kinds[constraint]
    before, after = path[: found.start()], path[found.end() :]
    paths = [f"{before}{{{name}:{kind}}}{following}" for following in starlette_paths(after)]
    return [*paths, before.rstrip("/") or "/"] if optional or rest else paths


async def _status(_request: Request) -> Response:
    return JSONResponse({"state": "Running"})


def _endpoint(app: FunctionApp, route: HttpRoute, keys: Mapping[str, str] | None) -> Endpoint:
    async def answer(request: Request) -> Response:
        if not _from_here(request):
            return Response(status_code=403)
        if keys is not None and not _has_key(request, route.level, keys):
            return Response(status_code=401)
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        reason = f"{request.method} {request.url.path}"
        level = logging.DEBUG if request.method in READING else logging.INFO
        outcome = await app.invoke_logged(route.function, _request_datum(request, body), {}, reason=reason, level=level)
        return _response(outcome.value) if outcome.ok else Response(status_code=500)

    return answer


def _from_here(request: Request) -> bool:
    """Whether no web page of another site makes this request: browsers name the page's site as the origin, or say that
    it is the very one where a page keeps its address to itself.
    """
    if request.headers.get("sec-fetch-site") == "same-origin":
        return True
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).hostname in HOST_NAMES


def _has_key(request: Request, level: str, keys: Mapping[str, str]) -> bool:
    given = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
    fitting = {"anonymous": None, "admin": ("master",)}.get(level, tuple(keys))
    return fitting is None or any(hmac.compare_digest(given.encode(), keys[name].encode()) for name in fitting)


async def _body(request: Request) -> bytes | None:
    """The whole body; None as soon as it is over the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            return None
    return bytes(body)


def _request_datum(request: Request, body: bytes) -> Datum:
    def texts(items: Mapping[str, Any]) -> dict[str, Datum]:
        return {name: datum(str(value), "string") for name, value in items.items()}

    headers = {name: ", ".join(request.headers.getlist(name)) for name in request.headers}
    value = {
        "method": datum(request.method, "string"),
        "url": datum(_url(request), "string"),
        "headers": texts(headers),
        "query": texts(dict(request.query_params)),
        "params": texts(request.path_params),
        "body": datum(body, "bytes"),
    }
    return datum(value, "http")


def _url(request: Request) -> str:
    """The address as the client wrote it, still encoded."""
    query = request.scope["query_string"].decode()
    path = request.scope["raw_path"].decode()
    return f"{request.url.scheme}://{request.headers['host']}{path}{'?' + query if query else ''}"


def _response(value: Datum | None) -> Response:
    if value is None or value.value is None:
        return Response(status_code=204)
    if value.type != "http":
        return Response(str(value.value), media_type="text/plain")
    said = value.value
    response = Response(said["body"].value, status_code=int(said["status_code"].value))
    for name, header in said["headers"].items():
        response.headers[name] = header.value
    cookies: Sequence[SimpleCookie] = said.get("cookies") or ()
    for cookie in cookies:
        for morsel in cookie.values():
            response.headers.append("set-cookie", morsel.OutputString())
    return response
