"""From Microsoft's list of operations to handlers.

An emulator states its operations as a table of (method, path template, handler). An operation without a handler
is part of the service's interface and not of the emulator: it answers 501. Literal parts of a path are matched
without regard to case, parameters are percent-decoded after matching (a file path is one segment, `/` as `%2F`).
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, unquote

from starlette.responses import Response

MAX_BODY_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as handlers see it.

    `path` is as sent, still percent-encoded. Header names are lower case. `base_url` is the emulator's address as
    the client wrote it, without a slash at the end; links in answers begin with it.
    """

    method: str
    path: str
    base_url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Response]]


class ServiceError(Exception):
    """A request is refused; each emulator renders it as its service does. `values` name the offending property."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        values: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.values = dict(values or {})
        self.retry_after_s = retry_after_s


class Middleware(Protocol):
    """Something around every handler."""

    async def __call__(self, call: Call, handler: Handler) -> Response:
        """Answer, usually by way of the handler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of an emulator's table. No handler: known, and not emulated."""

    method: str
    template: str
    handler: Handler | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The operation of a request and its decoded path parameters."""

    operation: Operation
    parameters: Mapping[str, str]


class Router:
    """Finds the operation of a request; the template with the most literal text wins."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        ordered = sorted(operations, key=lambda operation: operation.template.count("{"))
        self._routes = [(operation, _pattern(operation.template)) for operation in ordered]

    def find(self, method: str, path: str) -> Match:
        """The operation of a request. Raises ServiceError: 404 for an unknown path, 405 for a wrong method."""
        allowed = []
        for operation, parameters in self._matches(path):
            if operation.method == method:
                return Match(operation=operation, parameters=parameters)
            allowed.append(operation.method)
        if allowed:
            raise ServiceError(405, "UnsupportedHttpVerb", f"{method} is not possible here: {', '.join(allowed)} is.")
        raise ServiceError(404, "ResourceNotFound", f"There is no such address: {unquote(path)}")

    def _matches(self, path: str) -> Iterator[tuple[Operation, dict[str, str]]]:
        for operation, pattern in self._routes:
            if match := pattern.fullmatch(path):
                yield operation, {name: unquote(value) for name, value in match.groupdict().items()}


def _pattern(template: str) -> re.Pattern[str]:
    """A parameter is one segment; the last one may hold slashes if it is called `filePath`."""
    text = re.escape(template).replace(r"\{filePath\}", r"(?P<filePath>.+)")
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", text), re.IGNORECASE)


def query_of(text: str) -> dict[str, str]:
    """Query parameters, decoded, the first of each name. Raises ServiceError."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise ServiceError(400, "InvalidUri", f"The query cannot be read: {error}") from error
    return dict(reversed(pairs))
