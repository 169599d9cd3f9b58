"""Requests in, answers out, in Azure Resource Manager's form."""

import json
import math
import uuid
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from localcloud.emulation.admin import is_own
from localcloud.emulation.json_bodies import NotJsonError, json_response, read_json
from localcloud.emulation.routing import Call, Handler, ServiceError

API_VERSION = "2023-05-01"
OPERATIONS_VERSION = "2018-06-01"
"""Version in the addresses of long-running operations, which are no part of the published interface."""
POLL_AFTER_MS = "20"
"""When to ask again about a long-running operation; locally nothing takes long."""


def answer(call: Call, status: int, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    """An answer, with the ids that Resource Manager gives each request."""
    named = _ids(call) | (headers or {})
    if body is None:
        return Response(status_code=status, headers=named)
    return json_response(status, body, named)


def error_answer(call: Call, error: ServiceError) -> Response:
    """A refusal."""
    headers = _ids(call)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    fault = {"code": error.code, "message": error.message}
    if target := error.values.get("target"):
        fault["target"] = target
    return json_response(error.status, {"error": fault}, headers)


def read_body[B: BaseModel](call: Call, shape: type[B]) -> B:
    """The request's body. Raises ServiceError that names the first member at fault."""
    try:
        return shape.model_validate_json(json.dumps(read_json(call.body)))
    except NotJsonError as error:
        raise ServiceError(400, "InvalidRequestContent", str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = ".".join(map(str, first["loc"])) or "(body)"
        message = f"The request content is invalid at {path}: {first['msg']}."
        raise ServiceError(400, "InvalidRequestContent", message, values={"target": path}) from None


async def check_caller(call: Call, handler: Handler) -> Response:
    """Middleware: a caller shows some token, as the real client always does; the version is the emulator's."""
    if is_own(call):
        return await handler(call)
    if not call.headers.get("authorization", "").startswith("Bearer "):
        raise ServiceError(401, "AuthenticationFailed", "The 'Authorization' header with a bearer token is missing.")
    version = call.query.get("api-version")
    if version is None:
        raise ServiceError(400, "MissingApiVersionParameter", "The query needs api-version.")
    if version not in {API_VERSION, OPERATIONS_VERSION}:
        message = f"api-version is {version}; the emulator speaks {API_VERSION}."
        raise ServiceError(400, "InvalidApiVersionParameter", message)
    return await handler(call)


def _ids(call: Call) -> dict[str, str]:
    return {
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-correlation-request-id": call.headers.get("x-ms-client-request-id", str(uuid.uuid4())),
    }
