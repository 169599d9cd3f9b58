"""Azure's exceptions become ours here, and nowhere else.

What decides is the service's error code and the HTTP status, not the exception's class: azure-core raises
`ResourceExistsError` for every 409, and `ResourceModifiedError` for any failure of a request with If-Match.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard
from xml.etree.ElementTree import ParseError

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
    ContainerGoneError,
    DropscoreError,
    LeaseLostError,
    NotFoundError,
    PermanentCloudError,
    PreconditionError,
    StorageFullError,
    TransientCloudError,
)

_BY_CODE: dict[str, type[DropscoreError]] = {
    "PopReceiptMismatch": LeaseLostError,
    "MessageNotFound": LeaseLostError,
    "ContainerNotFound": ContainerGoneError,
    "QueueNotFound": ContainerGoneError,
}
_BY_STATUS: dict[int, type[DropscoreError]] = {
    304: PreconditionError,
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: NotFoundError,
    412: PreconditionError,
    507: StorageFullError,
}
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
AGAIN_STATUS = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that mean "not now", whatever the code."""


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what Azure's SDKs raise inside into our exceptions; `action` ("read runs/r1/state.json") begins the text."""
    try:
        yield
    except AzureError as error:
        raise translate(error, action) from error
    except ParseError as error:
        raise TransientCloudError(f"could not {action}: the answer could not be read: {error}") from error


def translate(error: AzureError, action: str) -> DropscoreError:
    """The exception of ours that stands for one of Azure's."""
    if _is_refusal(error):
        return _from_answer(error, action)
    message = f"could not {action}: {_reason(error)}"
    if isinstance(error, ServiceRequestError | ServiceResponseError | DecodeError):
        return TransientCloudError(message)
    if isinstance(error, ClientAuthenticationError):
        return AccessDeniedError(message)
    return TransientCloudError(message) if isinstance(error, HttpResponseError) else PermanentCloudError(message)


def _is_refusal(error: AzureError) -> TypeGuard[HttpResponseError]:
    """Whether the service has said no. With a status of success it has done it, and its answer could not be read."""
    if not isinstance(error, HttpResponseError) or isinstance(error, DecodeError):
        return False
    return error.response is not None and (error.status_code or 0) >= 300


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
    if code in _AGAIN or status in AGAIN_STATUS:
        return TransientCloudError(message, retry_after_s=retry_after_s(error.response))
    return _kind(status, code)(message)


def _kind(status: int, code: str) -> type[DropscoreError]:
    """What a refusal is, the code before the status."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code.endswith("NotFound"):
        return NotFoundError
    if status == 409 and code.endswith(("Exists", "AlreadyExists")):
        return PreconditionError
    return _BY_STATUS.get(status, PermanentCloudError)


def _reason(error: AzureError) -> str:
    """The service's own first line, without addresses' queries: they may hold a signature."""
    model = getattr(error, "error", None)
    text = str(getattr(model, "message", None) or getattr(error, "message", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"\?[^\s'\"]*", "", lines[0] if lines else type(error).__name__)[:300]


def retry_after_s(response: Any) -> float | None:
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
