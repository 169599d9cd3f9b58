"""The OpenAPI 3.1 description of the API, made of its operations and the contracts they speak of."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from dropscore import __version__
from dropscore.api.field_docs import described
from dropscore.api.operations import BASE, Access, Answer, Operation, Parameter
from dropscore.contracts.base import Contract
from dropscore.contracts.http.problems import Problem
from dropscore.contracts.http.webhooks import Notification
from dropscore.contracts.request import RunRequest
from dropscore.contracts.signatures import EVENT, ID, SIGNATURE

REF = "#/components/schemas/{model}"
TITLE = "dropscore"
ABOUT = (
    "Score files on GPUs: start runs, watch them, fetch what they made. Errors are problem documents (RFC 9457) with a "
    "stable code, one sentence and the one next thing to do."
)
COMMON = (400, 500, 503)
"""Statuses of problems that every operation may answer with; 401 and 403 come with those that ask who calls."""
MEANINGS = {
    400: "The request is wrong; `field` names where.",
    401: "Who calls is not known: no key or token, or one that is not accepted.",
    403: "Who calls may not do this.",
    404: "There is no such thing.",
    405: "This address does not take this method.",
    409: "It does not fit how things stand.",
    410: "It was deleted.",
    413: "The request is too large.",
    415: "The body is no JSON.",
    422: "It is well formed, and cannot be done: what it names is not there, or not allowed.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "Something unexpected happened.",
    502: "Storage refused.",
    503: "Storage does not answer now; `Retry-After` says when to come again.",
}
KEY, ENTRA = "key", "entra"
"""How callers show who they are."""
SCHEMES: dict[str, Any] = {
    KEY: {
        "type": "apiKey",
        "in": "header",
        "name": "x-functions-key",
        "description": "A key of the Functions host.",
    },
    ENTRA: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of Microsoft Entra ID, where the deployment is configured for it.",
    },
}


def describe(operations: Sequence[Operation], server: str, scheme: str) -> dict[str, Any]:
    """The description of all operations, as served at `server` (scheme and host) to callers who show a `scheme`."""
    schemas = _schemas(operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__, "description": ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": _paths(operations, scheme),
        "webhooks": {"notification": {"post": _notification()}},
        "components": {"schemas": schemas, "securitySchemes": {scheme: SCHEMES[scheme]}},
    }


def with_workloads(document: dict[str, Any], workloads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The description in which a request to start a run is one of those that some workload takes, its options being
    that workload's own.
    """
    schemas = document["components"]["schemas"]
    general = schemas[RunRequest.__name__]
    variants = []
    for workload in workloads:
        name = "".join(part.capitalize() for part in workload["name"].split("_"))
        options = json.loads(json.dumps(workload["options"]).replace("#/$defs/", REF.format(model="")))
        schemas |= options.pop("$defs", {}) | {f"{name}Options": options}
        fields = {
            "workload": {"const": workload["name"], "type": "string"},
            "options": {"$ref": REF.format(model=f"{name}Options")},
        }
        schemas[f"{name}Run"] = general | {"title": workload["title"], "properties": general["properties"] | fields}
        variants.append({"$ref": REF.format(model=f"{name}Run")})
    schemas[RunRequest.__name__] = {"title": "RunRequest", "oneOf": variants}
    return document


def _paths(operations: Iterable[Operation], scheme: str) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = _operation(operation, scheme)
    return paths


def _notification() -> dict[str, Any]:
    """What subscribers of webhooks get."""
    headers = {
        SIGNATURE: "`t=<unix seconds>,v1=<hex HMAC-SHA256 of '<t>.<body>' under the webhook's secret>`.",
        EVENT: "The event.",
        ID: "The id of the news; the same news may come more than once.",
    }
    schema = {"$ref": REF.format(model=Notification.__name__)}
    return {
        "summary": "Something happened to a run",
        "description": "Sent to the address of a webhook. Verify the signature before anything else.",
        "parameters": [
            {"name": name, "in": "header", "description": about, "required": True, "schema": {"type": "string"}}
            for name, about in headers.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "It was taken; any other answer has it sent again."},
            "410": {"description": "Nothing more is wanted: the webhook is deleted."},
        },
        "security": [],
    }


def _operation(operation: Operation, scheme: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "parameters": [_parameter(one) for one in operation.parameters],
        "responses": {
            **{str(status): _answer(answer) for status, answer in operation.answers.items()},
            **{str(status): _problem(status, scheme) for status in _statuses(operation)},
        },
        "security": [] if operation.access is Access.OPEN else [{scheme: []}],
        "x-dropscore-access": operation.access.name.lower(),
    }
    if operation.body is not None:
        schema = {"$ref": REF.format(model=operation.body.__name__)}
        content = {"application/json": {"schema": schema}}
        told["requestBody"] = {"required": operation.body_required, "content": content}
    return told


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        told["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in answer.headers.items()
        }
    if answer.media_type is not None:
        schema = {} if answer.contract is None else {"$ref": REF.format(model=answer.contract.__name__)}
        told["content"] = {answer.media_type: {"schema": schema}}
    return told


def _problem(status: int, scheme: str) -> dict[str, Any]:
    if status == 401 and scheme == KEY:  # the Functions host gives this answer itself, and says nothing
        return {"description": MEANINGS[status]}
    schema = {"$ref": REF.format(model=Problem.__name__)}
    return {"description": MEANINGS[status], "content": {"application/problem+json": {"schema": schema}}}


def _statuses(operation: Operation) -> list[int]:
    asked = () if operation.access is Access.OPEN else (401, 403)
    too_large = (413,) if operation.body is not None else ()
    return sorted({*COMMON, *asked, *too_large, *operation.statuses})


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    """JSON Schema of every contract that is spoken of: what comes in as read, what goes out as written."""
    read: set[type[Contract]] = {operation.body for operation in operations if operation.body is not None}
    answers = [answer.contract for operation in operations for answer in operation.answers.values()]
    written: set[type[Contract]] = {contract for contract in answers if contract is not None}
    written |= {Problem, Notification}
    wanted: list[tuple[type[Contract], Any]] = []
    wanted += [(contract, "validation") for contract in read]
    wanted += [(contract, "serialization") for contract in written]
    wanted.sort(key=lambda one: (one[0].__name__, one[1]))
    _, document = models_json_schema(wanted, ref_template=REF)
    return described(dict(sorted(document.get("$defs", {}).items())), read | written)
