"""Errors as problem documents (RFC 9457): what happened, where, and the one next thing to do."""

from collections.abc import Sequence

from starlette.responses import JSONResponse

from dropscore.contracts.codec import encode
from dropscore.contracts.failures import CODES, Code, Failure, FailureClass

STATUS = {
    Code.AUTH_REQUIRED: 401,
    Code.AUTH_INVALID: 401,
    Code.AUTH_FORBIDDEN: 403,
    Code.REQUEST_TOO_LARGE: 413,
    Code.REQUEST_CONFLICT: 409,
    Code.RUN_UNKNOWN: 404,
    Code.RUN_ENDED: 409,
    Code.RUN_UNDER_WAY: 409,
    Code.RUN_DELETED: 410,
    Code.REPLAY_NOTHING: 409,
    Code.REQUEST_REFERENCE: 422,
    Code.INPUT_NAME: 422,
    Code.WEBHOOK_TARGET: 422,
    Code.MESSAGE_UNKNOWN: 404,
    Code.PAGE_UNKNOWN: 404,
    Code.WEBHOOK_UNKNOWN: 404,
    Code.WEBHOOK_LIMIT: 409,
    Code.STORAGE_UNAVAILABLE: 503,
    Code.STORAGE_REFUSED: 502,
    Code.DISK_FULL: 507,
    Code.STORAGE_GONE: 502,
    Code.INTERNAL: 500,
}
"""HTTP status of a code; a bad input of any other code is 400, and everything else 500."""

RETRY_AFTER_S = 5


def problem(*failures: Failure, status: int | None = None) -> JSONResponse:
    """The answer that tells of a failure, or of several of one request: the first is the problem, all are listed."""
    first = failures[0]
    status = status or status_of(first)
    document = {
        "type": f"urn:dropscore:problem:{first.code.lower()}",
        "title": CODES[first.code].meaning,
        "status": status,
        "detail": first.message,
        **_members(first),
        "errors": [_members(one) for one in failures],
    }
    headers = {503: {"Retry-After": str(RETRY_AFTER_S)}, 401: {"WWW-Authenticate": "Bearer"}}.get(status)
    return JSONResponse(document, status, headers, media_type="application/problem+json")


def status_of(failure: Failure) -> int:
    """The HTTP status that goes with a failure."""
    return STATUS.get(failure.code) or (400 if failure.failure_class is FailureClass.BAD_INPUT else 500)


def _members(failure: Failure) -> dict[str, object]:
    told = encode(failure)
    names: Sequence[str] = ("code", "message", "action", "field", "input")
    return {name: told[name] for name in names if isinstance(told, dict) and told[name] is not None}
