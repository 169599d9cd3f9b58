"""The operations of the API as data: the routes, who may call them, and the OpenAPI description all come from these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dropscore.contracts import base
from dropscore.contracts.base import Contract, Json

VERSION = "v1"
BASE = f"/api/{VERSION}"
"""Where the operations lie."""


class Access(IntEnum):
    """What a caller must be allowed; who may do more may do less."""

    OPEN = 0
    """Nobody has to say who they are."""
    VIEWER = 1
    """May look at runs, workloads and models."""
    SUBMITTER = 2
    """May also start runs, and steer them."""
    OPERATOR = 3
    """May also delete runs, and look after poison queues and the sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter in the path, the query or a header. `schema` is JSON Schema."""

    name: str
    place: str
    """`path`, `query` or `header`."""
    description: str
    schema: Mapping[str, Json] = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer. `contract` is the shape of its JSON; None where it has another `media_type`, or no body."""

    description: str
    contract: type[Contract] | None = None
    media_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names and descriptions."""


type Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method at one address. `path` is below `BASE`."""

    id: str
    """In Pascal case, unique, and never changed: connectors and generated clients are built on it."""
    method: str
    path: str
    summary: str
    description: str
    tag: str
    access: Access
    answers: Mapping[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: type[Contract] | None = None
    body_required: bool = True
    statuses: tuple[int, ...] = ()
    """Of problems, besides those that every operation may answer with."""
    of_all_tenants: bool = False
    """Whether it concerns the whole deployment, so that callers of one tenant may not ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An operation, and what answers it."""

    operation: Operation
    handler: Handler


_OPERATION = "__operation__"


def serves(
    *,
    id: str,
    method: str,
    path: str,
    summary: str,
    description: str,
    tag: str,
    access: Access,
    answers: Mapping[int, Answer],
    parameters: tuple[Parameter, ...] = (),
    body: type[Contract] | None = None,
    body_required: bool = True,
    statuses: tuple[int, ...] = (),
    of_all_tenants: bool = False,
) -> Callable[[Callable[[Any, Request], Awaitable[Response]]], Callable[[Any, Request], Awaitable[Response]]]:
    """Say that a method answers an operation; the arguments are those of `Operation`."""
    operation = Operation(
        id=id,
        method=method,
        path=path,
        summary=summary,
        description=description,
        tag=tag,
        access=access,
        answers=answers,
        parameters=parameters,
        body=body,
        body_required=body_required,
        statuses=statuses,
        of_all_tenants=of_all_tenants,
    )

    def mark(
        handler: Callable[[Any, Request], Awaitable[Response]],
    ) -> Callable[[Any, Request], Awaitable[Response]]:
        setattr(handler, _OPERATION, operation)
        return handler

    return mark


def operations_of(room: object) -> tuple[Served, ...]:
    """What the methods of an object answer, in the order in which they are written."""
    return tuple(
        Served(operation=getattr(function, _OPERATION), handler=getattr(room, name))
        for name, function in vars(type(room)).items()
        if hasattr(function, _OPERATION)
    )


def path_parameter(name: str, description: str, pattern: str | None = None) -> Parameter:
    """A parameter in the path."""
    schema: dict[str, Json] = {"type": "string"}
    if pattern is not None:
        schema["pattern"] = pattern
    return Parameter(name=name, place="path", description=description, schema=schema, required=True)


def query(name: str, description: str, **schema: Json) -> Parameter:
    """An optional parameter in the query; `schema` is JSON Schema, text by default."""
    return Parameter(name=name, place="query", description=description, schema=schema or {"type": "string"})


RUN_ID = path_parameter("run_id", "The id of the run.", f"^{base.RUN_ID}$")
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="The same key with the same body is the same run, however often it is sent.",
    schema={"type": "string", "pattern": "^[!-~]{1,200}$"},
)
LOCATION = {"Location": "The address to follow.", "Retry-After": "Seconds to wait before looking."}
