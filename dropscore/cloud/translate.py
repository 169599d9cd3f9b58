"""Azure's exceptions become ours here, and nowhere else.

What decides is the service's error code and the HTTP status, not the exception's class: azure-core raises
`ResourceExistsError` for every 409, and `ResourceModifiedError` for any failure of a request with If-Match.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from dropscore.contracts.errors import (
    AccessDeniedError,
    DropscoreError,
    LeaseLostError,
    NotFoundError,
    PermanentCloudError,
    PreconditionError,
    TransientCloudError,
)

_LOST_LEASE = frozenset({"PopReceiptMismatch", "MessageNotFound"})
_AGAIN = frozenset(
    {
        # storage
        "ServerBusy", "OperationTimedOut", "InternalError", "AccountBeingCreated", "ContainerBeingDeleted",
        "QueueBeingDeleted",
        # Batch
        "TooManyEnableAutoScaleRequests", "TooManyRequests", "PoolBeingResized", "JobBeingDeleted",
        "JobBeingTerminated", "PoolBeingDeleted", "NodeStateUnusable",
        # Resource Manager and Container Instances
        "ContainerGroupTransitioning", "ContainerGroupQuotaReached", "ServiceUnavailable", "RegistryErrorResponse",
        "Conflict", "AnotherOperationInProgress",
    }
)  # fmt: skip
"""Codes that mean "not now", whatever their status."""
_AGAIN_STATUS = frozenset({408, 429, 500, 502, 503, 504})


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what Azure's SDKs raise inside into our exceptions; `action` ("read runs/r1/state.json") begins the text."""
    try:
        yield
    except AzureError as error:
        raise translate(error, action) from error


def translate(error: AzureError, action: str) -> DropscoreError:
    """The exception of ours that stands for one of Azure's."""
    if isinstance(error, HttpResponseError) and not isinstance(error, DecodeError) and error.response is not None:
        return _from_answer(error, action)
    message = f"could not {action}: {_reason(error)}"
    if isinstance(error, ServiceRequestError | ServiceResponseError | DecodeError):
        return TransientCloudError(message)
    if isinstance(error, ClientAuthenticationError):
        return AccessDeniedError(message)
    return TransientCloudError(message) if isinstance(error, HttpResponseError) else PermanentCloudError(message)


def error_code(error: BaseException) -> str:
    """The service's own code for an error, such as `BlobNotFound`; empty when the answer had none."""
    code = getattr(error, "error_code", None)  # storage
    if code is None:
        code = getattr(getattr(error, "error", None), "code", None)  # Batch, Resource Manager
    if code is None:
        response = getattr(error, "response", None)
        code = None if response is None else response.headers.get("x-ms-error-code")
    return "" if code is None else str(getattr(code, "value", code))


def _from_answer(error: HttpResponseError, action: str) -> DropscoreError:
    status, code = error.status_code or 0, error_code(error)
    message = f"could not {action}: HTTP {status}{f' {code}' if code else ''}: {_reason(error)}"
    if code in _AGAIN or status in _AGAIN_STATUS:
        return TransientCloudError(message, retry_after_s=_retry_after_s(error.response))
    if code in _LOST_LEASE:
        return LeaseLostError(message)
    if status == 404 or code.endswith("NotFound"):
        return NotFoundError(message)
    if status in (304, 412) or (status == 409 and code.endswith(("Exists", "AlreadyExists"))):
        return PreconditionError(message)
    if status in (401, 403):
        return AccessDeniedError(message)
    return PermanentCloudError(message)


def _reason(error: AzureError) -> str:
    """The service's own first line, without addresses' queries: they may hold a signature."""
    model = getattr(error, "error", None)
    text = str(getattr(model, "message", None) or getattr(error, "message", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"\?[^\s'\"]*", "", lines[0] if lines else type(error).__name__)[:300]


def _retry_after_s(response: Any) -> float | None:
    """Seconds the service asks to wait, from `Retry-After` as a number or a date."""
    milliseconds = response.headers.get("retry-after-ms") or response.headers.get("x-ms-retry-after-ms")
    value = response.headers.get("Retry-After")
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        if not value:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return float(value)
        sent = response.headers.get("Date")
        # Both dates are the service's, so this machine's clock does not matter.
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(sent)).total_seconds()) if sent else None
    except (TypeError, ValueError):
        return None
