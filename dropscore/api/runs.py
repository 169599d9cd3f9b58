"""What `/api/runs` answers."""

import re
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.documents import run_document, run_path
from dropscore.api.listing import Page, list_runs, read_wanted
from dropscore.api.problems import problem
from dropscore.api.services import Services
from dropscore.api.starting import encoding_problem
from dropscore.api.stored import StoredRuns
from dropscore.cloud.ports import Orchestrations
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.reading import Refusal, read_request
from dropscore.contracts.request import MAX_REQUEST_BYTES, RunRequest
from dropscore.contracts.run import CancelMark, RunState, RunStatus, pending

POLL_AFTER_S = 1
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,47}")
_JSON_TYPE = re.compile(r"application/([a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)


class RunsApi:
    """Starting, listing, showing and stopping runs."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    async def start(self, request: Request) -> Response:
        """POST /api/runs: 202 with the run; the same `Idempotency-Key` with the same body is the same run."""
        if _JSON_TYPE.fullmatch(request.headers.get("content-type", "application/json")) is None:
            return problem(failure(Code.REQUEST_MALFORMED, "A request is JSON: application/json."), status=415)
        body, key = await read_body(request), read_key(request)
        refused = await run_in_threadpool(self._problems, body)
        if refused:
            return problem(*refused)
        asked = await self._services().starter.start_by_call(body, key, orchestrations_of(request))
        run_id = asked.record.run_id
        state = pending(asked.record) if asked.new else await run_in_threadpool(self._state, run_id)
        headers = {"Location": run_path(run_id), "Retry-After": str(POLL_AFTER_S)}
        return JSONResponse(self._document(state), 202, headers)

    async def list(self, request: Request) -> Response:
        """GET /api/runs: a page of runs, newest first, and where the next page begins."""
        wanted = read_wanted(dict(request.query_params))
        page: Page = await run_in_threadpool(list_runs, self._services().cloud.blobs, wanted)
        return JSONResponse({"runs": [self._document(run) for run in page.runs], "next": page.next})

    async def show(self, request: Request) -> Response:
        """GET /api/runs/{run_id}: its state, the time spent in each stage, and where its documents lie."""
        return JSONResponse(self._document(await run_in_threadpool(self._state, request.path_params["run_id"])))

    async def cancel(self, request: Request) -> Response:
        """POST /api/runs/{run_id}/cancel: asked twice is asked once; a run that ended otherwise stays as it is."""
        run_id = request.path_params["run_id"]
        state = await run_in_threadpool(self._state, run_id)
        if state.status is RunStatus.CANCELLED:
            return JSONResponse(self._document(state))
        if state.status.ended:
            return problem(failure(Code.RUN_ENDED, f"The run {run_id} has ended already: {state.status}."))
        await run_in_threadpool(self._mark_cancelled, run_id)
        orchestrations = orchestrations_of(request)
        await orchestrations.start(run_id)  # a run without an orchestration has nobody else to end it
        await orchestrations.nudge(run_id)
        return JSONResponse(self._document(state), 202, {"Location": run_path(run_id)})

    def _problems(self, body: bytes) -> Refusal:
        undecodable = encoding_problem(body)
        if undecodable is not None:
            return (undecodable,)
        request = read_request(body.decode())
        return self._services().workloads.problems(request) if isinstance(request, RunRequest) else request

    def _state(self, run_id: str) -> RunState:
        state = StoredRuns(self._services().cloud.blobs).state(run_id) if _RUN_ID.fullmatch(run_id) else None
        if state is None:
            raise FailedError.of(Code.RUN_UNKNOWN, f"There is no run {run_id!r}.", field="run_id")
        return state

    def _mark_cancelled(self, run_id: str) -> None:
        cloud = self._services().cloud
        mark = CancelMark(run_id=run_id, at=cloud.clock.now(), reason="Asked for through the API.")
        cloud.blobs.create(layout.cancel_mark(run_id), encode_bytes(mark))

    def _document(self, state: RunState) -> dict[str, object]:
        return {**run_document(state, self._services().cloud.clock.now())}


async def read_body(request: Request) -> bytes:
    """The body of a request. Raises `FailedError` (E-REQUEST-TOO-LARGE) before reading more than is allowed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST_BYTES:
            message = f"The request has more than {MAX_REQUEST_BYTES} bytes."
            raise FailedError.of(Code.REQUEST_TOO_LARGE, message)
    return bytes(body)


def read_key(request: Request) -> str | None:
    """The idempotency key of a call. Raises `FailedError` (E-REQUEST-FIELD) for one that is none."""
    key = request.headers.get("idempotency-key")
    if key is not None and _KEY.fullmatch(key) is None:
        message = f"Idempotency-Key: {key[:40]!r} is not 1 to 200 visible ASCII characters."
        raise FailedError.of(Code.REQUEST_FIELD, message, field="Idempotency-Key")
    return key


def orchestrations_of(request: Request) -> Orchestrations:
    """The orchestrations this request may start and nudge (see `boundary`)."""
    orchestrations: Orchestrations = request.state.orchestrations
    return orchestrations
