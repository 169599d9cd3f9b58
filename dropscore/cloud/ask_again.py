"""Sends a request of Azure's storage clients again, as patiently as it is told to."""

import time
from io import UnsupportedOperation
from typing import Any

from azure.core.exceptions import AzureError, DecodeError, ServiceRequestError, ServiceResponseError
from azure.storage.blob import LinearRetry

from dropscore.cloud.patience import Patience
from dropscore.cloud.translate import AGAIN_STATUS, retry_after_s


class AskAgain:
    """A policy in the pipeline of Azure's storage clients: sends a request again while the service does not answer, or
    answers that it cannot now. `Retry-After` is obeyed; when it asks for more time than there is, the request ends.

    Azure's own policies of this kind count tries instead of time, and know neither 429 nor `Retry-After`.
    """

    next: Any  # set by the pipeline: what sends the request

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._azures_own = LinearRetry()
        """Knows the options of a request that are meant for a policy of this kind."""

    def send(self, request: Any) -> Any:
        """Send a request until it is answered, or patience is at an end."""
        settings = self._azures_own.configure_retries(request)
        began, repetition = time.monotonic(), 0
        while True:
            response, error = self._try(request)
            pause_s = self._pause_s(response, error, repetition, time.monotonic() - began)
            if pause_s is None or not _rewound(request, settings["body_position"]):
                break
            if settings["hook"] is not None:
                settings["hook"](retry_count=repetition, location_mode=settings["mode"])
            time.sleep(pause_s)
            repetition += 1
        if error is not None:
            raise error
        response.http_response.location_mode = settings["mode"]
        return response

    def _try(self, request: Any) -> tuple[Any, AzureError | None]:
        try:
            return self.next.send(request), None
        except AzureError as error:
            return None, error

    def _pause_s(self, response: Any, error: AzureError | None, repetition: int, passed_s: float) -> float | None:
        """Seconds to wait before the next try; None when this was the last one."""
        if not _may_change(response, error):
            return None
        asked_s = 0.0 if response is None else retry_after_s(response.http_response) or 0.0
        pause_s = max(asked_s, self._patience.pause_s(repetition))
        first_and_soon = repetition == 0 and asked_s <= self._patience.within_s
        return pause_s if first_and_soon or passed_s + pause_s <= self._patience.within_s else None


def _rewound(request: Any, position: int | None) -> bool:
    """Whether the request can be sent again: a body that is a file is taken back to where it began.

    Azure's own policies also keep a copy of each request that failed, with its body; that is left out.
    """
    body = request.http_request.body
    if not hasattr(body, "read"):
        return True
    if position is None:
        return False
    try:
        body.seek(position)
    except (UnsupportedOperation, ValueError):
        return False
    return True


def _may_change(response: Any, error: AzureError | None) -> bool:
    """Whether asking again may bring something else."""
    if error is not None:
        return isinstance(error, ServiceRequestError | ServiceResponseError | DecodeError)
    return response.http_response.status_code in AGAIN_STATUS
