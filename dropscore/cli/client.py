"""The HTTP API as the command line sees it. Standard library only, so that it starts at once."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from dropscore.cli.views import RunView, run_view
from dropscore.cloud.endpoints import is_loopback
from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, Failure, failure

ATTEMPTS: Final = 4
FIRST_PAUSE_S: Final = 0.2
TIMEOUT_S: Final = 30.0
PAGE: Final = 200
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
BUSY: Final = frozenset({429, 502, 503, 504})


class RefusedError(FailedError):
    """The API refused a request: `failures` are all its reasons, the first of them `failure`."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__(failures[0])
        self.failures = failures


class Api:
    """The API at one address. Every request is safe to send twice, so all are tried again when nothing answers."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        proxies = urllib.request.ProxyHandler({}) if is_loopback(url) else urllib.request.ProxyHandler()
        self._opener = urllib.request.build_opener(proxies)

    def start(self, request: Json, idempotency_key: str) -> RunView:
        """Ask for a run. The same key with the same request is the same run."""
        answer = self._ask("POST", "/api/runs", body=request, headers={"Idempotency-Key": idempotency_key})
        return run_view(answer)

    def run(self, run_id: str) -> RunView:
        """One run. Raises `FailedError` (E-RUN-UNKNOWN)."""
        return run_view(self._ask("GET", f"/api/runs/{quote(run_id, safe='')}"))

    def runs(self, *, status: str | None = None, workload: str | None = None, most: int = 50) -> Iterator[RunView]:
        """Runs, the newest first."""
        after: str | None = None
        while most > 0:
            query = {"status": status, "workload": workload, "limit": str(min(most, PAGE)), "after": after}
            answer = self._ask("GET", "/api/runs", query=query)
            page = answer.get("runs", [])
            yield from (run_view(run) for run in page)
            most -= len(page)
            after = answer.get("next")
            if not after:
                return

    def cancel(self, run_id: str) -> RunView:
        """Ask a run to stop."""
        return run_view(self._ask("POST", f"/api/runs/{quote(run_id, safe='')}/cancel", body={}))

    def workloads(self) -> list[dict[str, Any]]:
        """The workloads, with the JSON Schema of their options."""
        listed: list[dict[str, Any]] = self._ask("GET", "/api/workloads").get("workloads", [])
        return listed

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        request = urllib.request.Request(  # noqa: S310  # the settings admit http and https alone
            f"{self.url}{path}{'?' + urlencode(given) if given else ''}",
            data=None if method == "GET" else json.dumps(body).encode(),
            headers={"Accept": "application/json", "Content-Type": "application/json", **(headers or {})},
            method=method,
        )
        return self._send(request)

    def _send(self, request: urllib.request.Request) -> dict[str, Any]:
        """Send a request, again after a growing pause while nothing answers."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                    return _object(answer.read(MOST_ANSWER_BYTES))
            except urllib.error.HTTPError as error:
                refused = RefusedError(_problems(error.code, error.read(MOST_ANSWER_BYTES)))
                again = error.code in BUSY
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                message = f"the API at {self.url} did not answer: {reason}"
                refused, again = RefusedError((failure(Code.API_UNREACHABLE, message),)), True
            if not again or attempt == ATTEMPTS:
                raise refused
            time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        raise AssertionError("unreachable")


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise FailedError.of(Code.API_UNREACHABLE, "the address given answers, but not as the dropscore API")
    return value


def _problems(status: int, data: bytes) -> tuple[Failure, ...]:
    """The failures that an error answer (RFC 9457) tells of."""
    try:
        problem = json.loads(data)
        return tuple(_failure_of(one) for one in problem.get("errors") or [problem])
    except (ValueError, TypeError, KeyError, AttributeError, ValidationError):
        return (failure(Code.API_UNREACHABLE, f"the API answered with HTTP {status} and no reason"),)


def _failure_of(problem: Any) -> Failure:
    return failure(
        Code(problem["code"]),
        problem.get("message") or problem.get("detail"),
        action=problem.get("action"),
        field=problem.get("field"),
        input=problem.get("input"),
    )
