"""The HTTP API as the command line sees it. Standard library only, so that it starts at once."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from dropscore.cli.views import RunView, run_view
from dropscore.cli.wire import ATTEMPTS, BUSY, TIMEOUT_S, opener_for, pause_s
from dropscore.contracts.base import Contract, Json
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, FailedError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.http.files import InputList, OutputList, UploadLinks
from dropscore.contracts.http.items import LogPage
from dropscore.contracts.http.models import ModelDocument, ModelList

PAGE: Final = 200
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_UNTOLD: Final = {
    401: (Code.AUTH_REQUIRED, "the API asks who calls, or does not accept the key or token"),
    403: (Code.AUTH_FORBIDDEN, "the API does not let this key or token do this"),
}
"""What a host refuses before the API is asked, and so without a problem document."""
_KEY_ACTION: Final = "Set DROPSCORE_KEY to a key of the Function app, or DROPSCORE_TOKEN to a token of Entra ID."


class RefusedError(FailedError):
    """The API refused a request: `failures` are all its reasons, the first of them `failure`."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__(failures[0])
        self.failures = failures


class Api:
    """The API at one address. Every request is safe to send twice, so all are tried again when nothing answers."""

    def __init__(self, url: str, *, key: str | None = None, token: str | None = None) -> None:
        """`key` is one of the Functions host, `token` one of Entra ID; neither is ever shown."""
        self.url = url.rstrip("/")
        self._opener = opener_for(url)
        self._identity = {} if key is None else {"x-functions-key": key}
        self._identity |= {} if token is None else {"Authorization": f"Bearer {token}"}

    def start(self, request: Json, idempotency_key: str) -> RunView:
        """Ask for a run. The same key with the same request is the same run."""
        answer = self._ask("POST", "/api/v1/runs", body=request, headers={"Idempotency-Key": idempotency_key})
        return run_view(answer)

    def run(self, run_id: str) -> RunView:
        """One run. Raises `FailedError` (E-RUN-UNKNOWN)."""
        return run_view(self._ask("GET", f"/api/v1/runs/{quote(run_id, safe='')}"))

    def runs(self, *, status: str | None = None, workload: str | None = None, most: int = 50) -> Iterator[RunView]:
        """Runs, the newest first."""
        after: str | None = None
        while most > 0:
            query = {"status": status, "workload": workload, "limit": str(min(most, PAGE)), "after": after}
            answer = self._ask("GET", "/api/v1/runs", query=query)
            page = answer.get("runs", [])
            yield from (run_view(run) for run in page)
            most -= len(page)
            after = answer.get("next")
            if not after:
                return

    def cancel(self, run_id: str) -> RunView:
        """Ask a run to stop."""
        return run_view(self._ask("POST", f"/api/v1/runs/{quote(run_id, safe='')}/cancel", body={}))

    def replay(self, run_id: str, request: Json, idempotency_key: str) -> RunView:
        """Ask for what failed in a run to be scored again; the view is that of the new run."""
        path = f"/api/v1/runs/{quote(run_id, safe='')}/replay"
        return run_view(self._ask("POST", path, body=request, headers={"Idempotency-Key": idempotency_key}))

    def quarantine(self, run_id: str) -> Iterator[Json]:
        """What failed for good in a run, in the order of items."""
        after: str | None = None
        while True:
            answer = self._ask("GET", f"/api/v1/runs/{quote(run_id, safe='')}/quarantine", query={"after": after})
            yield from answer.get("quarantined", [])
            after = answer.get("next")
            if not after:
                return

    def outputs(self, run_id: str, *, after: str | None = None, limit: int | None = None) -> OutputList:
        """A page of what a run has published, with links."""
        return _told(OutputList, self._page(run_id, "outputs", after, limit))

    def inputs(self, run_id: str, *, after: str | None = None, limit: int | None = None) -> InputList:
        """A page of a run's inputs, with links."""
        return _told(InputList, self._page(run_id, "inputs", after, limit))

    def uploads(self, names: Sequence[str]) -> UploadLinks:
        """Links to upload files under one new prefix."""
        return _told(UploadLinks, self._ask("POST", "/api/v1/uploads", body={"files": [{"name": n} for n in names]}))

    def logs(self, run_id: str, *, actor: str, item: int | None, after: str | None, wait_s: int) -> LogPage:
        """A page of what the actors of a run have said; waits up to `wait_s` for one that has lines."""
        query = {"actor": actor or None, "item": None if item is None else str(item), "after": after}
        query |= {"wait_s": str(wait_s)} if wait_s else {}
        return _told(LogPage, self._ask("GET", f"/api/v1/runs/{quote(run_id, safe='')}/logs", query=query))

    def models(self) -> tuple[ModelDocument, ...]:
        """Every model, by name."""
        return _told(ModelList, self._ask("GET", "/api/v1/models")).models

    def _page(self, run_id: str, what: str, after: str | None, limit: int | None) -> dict[str, Any]:
        query = {"after": after, "limit": None if limit is None else str(limit)}
        return self._ask("GET", f"/api/v1/runs/{quote(run_id, safe='')}/{what}", query=query)

    def steer(self, run_id: str, deed: str) -> RunView:
        """Ask for `suspend`, `resume` or `rewind`."""
        return run_view(self._ask("POST", f"/api/v1/runs/{quote(run_id, safe='')}/{deed}", body={}))

    def delete(self, run_id: str) -> dict[str, Any]:
        """Delete an ended run; `deleted` says whether all of it is gone."""
        return self._ask("DELETE", f"/api/v1/runs/{quote(run_id, safe='')}", body={})

    def last_sweep(self) -> dict[str, Any]:
        """The report of the last sweep (`sweep`)."""
        return self._ask("GET", "/api/v1/sweep")

    def sweep(self) -> dict[str, Any]:
        """Sweep now; the report, or the last one while another host is at it (`under_way`)."""
        return self._ask("POST", "/api/v1/sweep", body={})

    def poison(self) -> list[dict[str, Any]]:
        """The poison queues and their next messages."""
        queues: list[dict[str, Any]] = self._ask("GET", "/api/v1/poison").get("queues", [])
        return queues

    def poisoned(self, queue: str, message_id: str) -> dict[str, Any]:
        """One message of a poison queue, in full."""
        return self._ask("GET", _poison_path(queue, message_id))

    def handle_poison(self, queue: str, message_id: str, deed: str) -> dict[str, Any]:
        """`drop` or `retry` one message."""
        return self._ask("POST", f"{_poison_path(queue, message_id)}/{deed}", body={})

    def handle_all_poison(self, queue: str, deed: str) -> dict[str, Any]:
        """`drop` or `retry` as many messages of a queue as one call has time for."""
        return self._ask("POST", f"{_poison_path(queue)}/{deed}", body={})

    def workloads(self) -> list[dict[str, Any]]:
        """The workloads, with the JSON Schema of their options."""
        listed: list[dict[str, Any]] = self._ask("GET", "/api/v1/workloads").get("workloads", [])
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
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                **self._identity,
                **(headers or {}),
            },
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
            time.sleep(pause_s(attempt))
        raise AssertionError("unreachable")


def _poison_path(*names: str) -> str:
    return "/".join(("/api/v1/poison", *(quote(name, safe="") for name in names)))


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise FailedError.of(Code.API_UNREACHABLE, "the address given answers, but not as the dropscore API")
    return value


def _told[C: Contract](contract: type[C], answer: dict[str, Any]) -> C:
    """What an answer tells. Raises `FailedError` for one of another version of the API; it names places, not values:
    those may be links.
    """
    try:
        return decode(contract, answer)
    except ContractError as error:
        places = ", ".join(path for path, _ in error.problems[:5])
        raise FailedError.of(
            Code.INTERNAL,
            f"the API answers in words that this version does not understand (see {places})",
            action="Use the same version of dropscore on both sides.",
        ) from None


def _problems(status: int, data: bytes) -> tuple[Failure, ...]:
    """The failures that an error answer (RFC 9457) tells of."""
    try:
        problem = json.loads(data)
        return tuple(_failure_of(one) for one in problem.get("errors") or [problem])
    except (ValueError, TypeError, KeyError, AttributeError, ValidationError):
        if status in _UNTOLD:
            return (failure(*_UNTOLD[status], action=_KEY_ACTION),)
        return (failure(Code.API_UNREACHABLE, f"the API answered with HTTP {status} and no reason"),)


def _failure_of(problem: Any) -> Failure:
    return failure(
        Code(problem["code"]),
        problem.get("message") or problem.get("detail"),
        action=problem.get("action"),
        field=problem.get("field"),
        input=problem.get("input"),
    )
