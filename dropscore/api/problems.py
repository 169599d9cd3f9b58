"""Errors as problem documents (RFC 9457): what happened, where, and the one next thing to do."""

from collections.abc import Sequence

from starlette.responses import JSONResponse

from dropscore.contracts.codec import encode
from dropscore.contracts.failures import CODES, Code, Failure, FailureClass

STATUS = {
    Code.REQUEST_TOO_LARGE: 413,
    Code.REQUEST_CONFLICT: 409,
    Code.RUN_UNKNOWN: 404,
    Code.RUN_ENDED: 409,
    Code.STORAGE_UNAVAILABLE: 503,
    Code.STORAGE_REFUSED: 502,
    Code.INTERNAL: 500,
}
"""HTTP status of a code; a bad input of any other code is 400, and everything else 500."""

RETRY_AFTER_S = 5


def problem(*failures: Failure, status: int | None = None) -> JSONResponse:
    """The answer that tells of a failure, or of several of one request: the first is the problem, all are listed."""
    first = failures[0]
    status = status or STATUS.get(first.code) or (400 if first.failure_class is FailureClass.BAD_INPUT else 500)
    document = {
        "type": f"urn:dropscore:problem:{first.code.lower()}",
        "title": CODES[first.code].meaning,
        "status": status,
        "detail": first.message,
        **_members(first),
        "errors": [_members(one) for one in failures],
    }
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse(document, status, headers, media_type="application/problem+json")


def _members(failure: Failure) -> dict[str, object]:
    told = encode(failure)
    names: Sequence[str] = ("code", "message", "action", "field", "input")
    return {name: told[name] for name in names if isinstance(told, dict) and told[name] is not None}
