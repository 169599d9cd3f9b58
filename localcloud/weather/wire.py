"""Carries faults out, beneath Azure's clients: a request fails, or its answer does, as it would on a bad line."""

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from localcloud.weather.requested import asked
from localcloud.weather.schedule import Fault, Schedule
from localcloud.weather.spec import Kind

_CODES = {
    Kind.BUSY_429: (429, "TooManyRequests"),
    Kind.FAIL_500: (500, "InternalError"),
    Kind.BUSY_503: (503, "ServerBusy"),
    Kind.BUSY_503_AFTER: (503, "ServerBusy"),
    Kind.READ_ONLY: (403, "AuthorizationPermissionMismatch"),
    Kind.FULL: (507, "InsufficientStorage"),
}
_ONLY_WRITES = (Kind.READ_ONLY, Kind.FULL)
_BODY_FAULTS = (Kind.CUT, Kind.SHORT, Kind.DRIP)
_PIECES = 8
"""Into how many pieces `drip` divides a body."""


class FaultyAdapter(HTTPAdapter):
    """An adapter of `requests` whose requests meet the faults of a schedule; to be mounted on one session."""

    def __init__(self, schedule: Schedule, **options: Any) -> None:
        super().__init__(**options)
        self.schedule = schedule

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send one request, or not."""
        return _send(self.schedule, super().send, request, *arguments, **options)


def put_under(schedule: Schedule) -> Callable[[], None]:
    """Put every session of this process under a schedule; what is returned ends it."""
    clear = HTTPAdapter.send

    def send(self: HTTPAdapter, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> Any:
        return _send(schedule, lambda *rest, **more: clear(self, *rest, **more), request, *arguments, **options)

    def end() -> None:
        HTTPAdapter.send = clear  # type: ignore[method-assign]

    HTTPAdapter.send = send  # type: ignore[method-assign]
    return end


def _send(
    schedule: Schedule, through: Any, request: requests.PreparedRequest, *arguments: Any, **options: Any
) -> requests.Response:
    what = asked(request)
    fault = None if what is None or what.service not in schedule.spec.on else schedule.fault(what.kind, what.target)
    if fault is None:
        sent: requests.Response = through(request, *arguments, **options)
        return sent
    if fault.kind in _CODES and (fault.kind not in _ONLY_WRITES or request.method not in ("GET", "HEAD")):
        return _refusal(schedule, request, fault)
    _break_before(schedule, request, fault)
    answer: requests.Response = through(request, *arguments, **options)
    _break_after(schedule, request, answer, fault)
    return _changed(schedule, answer, fault) if fault.kind in _BODY_FAULTS else answer


def _break_before(schedule: Schedule, request: requests.PreparedRequest, fault: Fault) -> None:
    """Raise where the request does not arrive."""
    if fault.kind is Kind.REFUSE:
        refused = NewConnectionError(None, "connection refused (by the weather)")  # type: ignore[arg-type]  # needs no pool
        raise requests.ConnectionError(refused, request=request)
    if fault.kind is Kind.RESET:
        raise _reset(request)
    if fault.kind is Kind.TIMEOUT and fault.share < 0.5:
        raise _timed_out(schedule, request)


def _break_after(
    schedule: Schedule, request: requests.PreparedRequest, answer: requests.Response, fault: Fault
) -> None:
    """Raise where the request has taken effect, and its answer does not arrive."""
    if fault.kind is Kind.LOST:
        answer.close()
        raise _reset(request)
    if fault.kind is Kind.TIMEOUT:
        answer.close()
        raise _timed_out(schedule, request)


def _reset(request: requests.PreparedRequest) -> requests.ConnectionError:
    broken = ProtocolError("Connection aborted.", ConnectionResetError(104, "connection reset (by the weather)"))
    return requests.ConnectionError(broken, request=request)


def _timed_out(schedule: Schedule, request: requests.PreparedRequest) -> requests.ReadTimeout:
    time.sleep(schedule.spec.slow_s)
    late = ReadTimeoutError(None, request.url or "", "read timed out (by the weather)")  # type: ignore[arg-type]  # as above
    return requests.ReadTimeout(late, request=request)


def _refusal(schedule: Schedule, request: requests.PreparedRequest, fault: Fault) -> requests.Response:
    """An answer that the service has not given."""
    status, code = _CODES[fault.kind]
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>By the weather.</Message></Error>'
    data = b"" if request.method == "HEAD" else body.encode()
    headers = {"x-ms-error-code": code, "Content-Type": "application/xml", "Content-Length": str(len(data))}
    if fault.kind is Kind.BUSY_503_AFTER:
        headers["Retry-After"] = f"{schedule.spec.retry_after_s:g}"
    return _answer(request, status, headers, io.BytesIO(data))


def _changed(schedule: Schedule, answer: requests.Response, fault: Fault) -> requests.Response:
    """An answer whose body comes cut, short or slowly; as it is when it has none."""
    data = answer.raw.read(decode_content=False)
    answer.close()
    framing = ("transfer-encoding", "content-length")
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in framing}
    headers["Content-Length"] = answer.headers.get("Content-Length") or str(len(data))
    if fault.kind is Kind.DRIP:
        return _answer(answer.request, answer.status_code, headers, _Drip(data, schedule.spec.slow_s))
    kept = data[: int(len(data) * fault.share)]
    if fault.kind is Kind.SHORT and data:
        headers["Content-Length"] = str(len(kept))
    return _answer(answer.request, answer.status_code, headers, io.BytesIO(kept))


def _answer(
    request: requests.PreparedRequest, status: int, headers: Mapping[str, str], body: "io.BytesIO"
) -> requests.Response:
    raw = HTTPResponse(
        body=body,
        headers=headers,
        status=status,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
        enforce_content_length=True,
    )
    return HTTPAdapter().build_response(request, raw)


class _Drip(io.BytesIO):
    """Bytes that come in pieces, with a pause before each."""

    def __init__(self, data: bytes, slow_s: float) -> None:
        super().__init__(data)
        self._most = max(1, len(data) // _PIECES)
        self._pause_s = slow_s / _PIECES

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece."""
        time.sleep(self._pause_s)
        return super().read(self._most if size is None or size < 0 else min(size, self._most))
