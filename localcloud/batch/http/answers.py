"""Requests in, answers out: bodies, headers and errors in Azure Batch's form."""

import json
import math
import uuid
import zlib
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from localcloud.batch.bodies.base import Body
from localcloud.batch.http.refusals import property_error, refuse
from localcloud.batch.state.stamps import etag
from localcloud.emulation.clock import Clock, http_date, instant
from localcloud.emulation.json_bodies import NotJsonError, json_response, merge_patch, read_json
from localcloud.emulation.routing import Call, ServiceError

JSON_TYPE = "application/json; odata=minimalmetadata"


class Answers:
    """Makes answers; knows the time and gives each request an id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def empty(
        self, call: Call, status: int, *, modified_at: datetime | None = None, location: str | None = None
    ) -> Response:
        """An answer without a body. `location` is the URL of the resource that was written."""
        headers = self._headers(call, modified_at or self._clock.now())
        if location:
            headers["DataServiceId"] = location
        return Response(status_code=status, headers=headers)

    def json(self, call: Call, body: dict[str, Any], *, kind: str, modified_at: datetime | None = None) -> Response:
        """An answer with a body; one about no single resource gets an ETag of its content."""
        whole = {"odata.metadata": f"{call.base_url}/$metadata#{kind}"} | body
        headers = self._headers(call, modified_at or self._clock.now())
        if modified_at is None:
            headers["ETag"] = f'"0x{zlib.crc32(json.dumps(body).encode()):X}"'
        return json_response(200, whole, headers, media_type=JSON_TYPE)

    def error(self, call: Call, error: ServiceError) -> Response:
        """A refusal. One of 304 has no body."""
        headers = self._headers(call, None)
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        if error.status == 304:
            return Response(status_code=304, headers=headers)
        text = f"{error.message}\nRequestId:{headers['request-id']}\nTime:{instant(self._clock.now())}"
        body: dict[str, Any] = {
            "odata.metadata": f"{call.base_url}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors"
            "/@Element",
            "code": error.code,
            "message": {"lang": "en-US", "value": text},
        }
        if error.values:
            body["values"] = [{"key": key, "value": value} for key, value in error.values.items()]
        return json_response(error.status, body, headers, media_type=JSON_TYPE)

    def _headers(self, call: Call, modified_at: datetime | None) -> dict[str, str]:
        headers = {"request-id": str(uuid.uuid4())}
        if call.headers.get("return-client-request-id", "").lower() == "true" and "client-request-id" in call.headers:
            headers["client-request-id"] = call.headers["client-request-id"]
        if modified_at:
            headers |= {"ETag": f'"{etag(modified_at)}"', "Last-Modified": http_date(modified_at)}
        return headers


def read_body[B: Body](call: Call, shape: type[B]) -> B:
    """The request's body, which must be there. Raises ServiceError."""
    return check_body(_read(call), shape)


def read_optional_body[B: Body](call: Call, shape: type[B]) -> B:
    """The request's body, or the shape with nothing in it."""
    return check_body(_read(call) if call.body.strip() else {}, shape)


def check_body[B: Body](value: Any, shape: type[B]) -> B:
    """A decoded JSON value as a body. Raises ServiceError that names the first member at fault."""
    try:
        return shape.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise _refusal(error) from None


def patched[B: Body](call: Call, allowed: type[Body], current: B, shape: type[B]) -> B:
    """The current body with the request's merge patch in it. Raises ServiceError."""
    patch = _read(call)
    check_body(patch, allowed)
    return check_body(merge_patch(current.wire(), patch), shape)


def _read(call: Call) -> Any:
    try:
        return read_json(call.body)
    except NotJsonError as error:
        raise refuse("InvalidRequestBody", str(error)) from None


def _refusal(error: ValidationError) -> ServiceError:
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"])) or "(body)"
    if first["type"] == "missing":
        message = f"A required property was not specified in the request body: {name}"
        return refuse("MissingRequiredProperty", message, PropertyName=name)
    if first["type"] == "extra_forbidden":
        message = f"One of the properties specified in the request body is not supported: {name}"
        return refuse("UnsupportedProperty", message, PropertyName=name)
    return property_error(name, first["input"], first["msg"])


def flag(call: Call, name: str) -> bool:
    """A boolean query parameter, false when absent. Raises ServiceError."""
    text = call.query.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise refuse("InvalidQueryParameterValue", f"{name} must be true or false, not {text!r}.")
    return text == "true"
