"""What `/runs` answers: starting, listing, showing and stopping runs."""

import re
from collections.abc import Callable
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.callers import caller_of
from dropscore.api.documents import operation_path, run_document, run_path
from dropscore.api.listing import LIST_PARAMETERS, Page, list_runs, read_wanted
from dropscore.api.operations import IDEMPOTENCY_KEY, LOCATION, RUN_ID, Access, Answer, query, serves
from dropscore.api.problems import problem
from dropscore.api.services import Services
from dropscore.api.starting import encoding_problem
from dropscore.api.stored import StoredRuns, unknown_run
from dropscore.cloud.ports import BlobStore, Orchestrations
from dropscore.contracts import base, layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.http.runs import RunDocument, RunPage
from dropscore.contracts.reading import Refusal, read_request
from dropscore.contracts.request import MAX_REQUEST_BYTES, RunRequest
from dropscore.contracts.run import CancelMark, RunState, RunStatus, pending

POLL_AFTER_S = 1
FOLLOW = query(
    "follow",
    "What `Location` names: the run, which answers at once, or its operation, which answers 202 until the run has "
    "ended (for callers that follow it by themselves, as Logic Apps do).",
    type="string",
    enum=["run", "operation"],
    default="run",
)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_JSON_TYPE = re.compile(r"application/([a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)


class RunsApi:
    """Starting, listing, showing and stopping runs."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="StartRun",
        method="POST",
        path="/runs",
        summary="Start a run",
        description="Starts scoring the inputs named. Upload them first. Follow `Location` to see how it goes.",
        tag="runs",
        access=Access.SUBMITTER,
        parameters=(IDEMPOTENCY_KEY, FOLLOW),
        body=RunRequest,
        answers={202: Answer(description="The run is known.", contract=RunDocument, headers=LOCATION)},
        statuses=(409, 410, 415),
    )
    async def start(self, request: Request) -> Response:
        """POST /runs: 202 with the run; the same `Idempotency-Key` with the same body is the same run."""
        if (other := other_than_json(request)) is not None:
            return other
        path = read_follow(request)
        body, key = await read_body(request), read_key(request)
        refused = await run_in_threadpool(self._problems, body)
        if refused:
            return problem(*refused)
        tenant = caller_of(request).tenant
        asked = await self._services().starter.start_by_call(body, key, orchestrations_of(request), tenant=tenant)
        run_id = asked.record.run_id
        state = pending(asked.record) if asked.new else await run_in_threadpool(self._state, run_id)
        headers = {"Location": path(run_id), "Retry-After": str(POLL_AFTER_S)}
        return JSONResponse(self._document(state), 202, headers)

    @serves(
        id="ListRuns",
        method="GET",
        path="/runs",
        summary="List runs",
        description="A page of runs, newest first.",
        tag="runs",
        access=Access.VIEWER,
        parameters=LIST_PARAMETERS,
        answers={200: Answer(description="A page of runs.", contract=RunPage)},
    )
    async def list(self, request: Request) -> Response:
        """GET /runs: a page of runs, newest first, and where the next page begins."""
        wanted = replace(read_wanted(dict(request.query_params)), tenant=caller_of(request).tenant)
        page: Page = await run_in_threadpool(list_runs, self._services().insight.runs, wanted)
        link = None if page.next is None else str(request.url.include_query_params(after=page.next))
        runs = [self._listed(run) for run in page.runs]
        return JSONResponse({"runs": runs, "next": page.next, "next_link": link})

    @serves(
        id="GetRun",
        method="GET",
        path="/runs/{run_id}",
        summary="Get a run",
        description="How a run stands, the time spent in each stage, and where its documents lie.",
        tag="runs",
        access=Access.VIEWER,
        parameters=(RUN_ID,),
        answers={200: Answer(description="The run.", contract=RunDocument)},
        statuses=(404, 410),
    )
    async def show(self, request: Request) -> Response:
        """GET /runs/{run_id}: its state, the time spent in each stage, and where its documents lie."""
        return JSONResponse(await run_in_threadpool(self._told, request.path_params["run_id"]))

    @serves(
        id="CancelRun",
        method="POST",
        path="/runs/{run_id}/cancel",
        summary="Cancel a run",
        description="Ends a run: nothing of it keeps running or costing. Asked twice is asked once.",
        tag="runs",
        access=Access.SUBMITTER,
        parameters=(RUN_ID,),
        answers={
            200: Answer(description="It was cancelled already.", contract=RunDocument),
            202: Answer(description="It is being cancelled.", contract=RunDocument, headers=LOCATION),
        },
        statuses=(404, 409, 410),
    )
    async def cancel(self, request: Request) -> Response:
        """POST /runs/{run_id}/cancel: asked twice is asked once; a run that ended otherwise stays as it is."""
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
        return stored_state(self._services().cloud.blobs, run_id)

    def _mark_cancelled(self, run_id: str) -> None:
        cloud = self._services().cloud
        mark = CancelMark(run_id=run_id, at=cloud.clock.now(), reason="Asked for through the API.")
        cloud.blobs.create(layout.cancel_mark(run_id), encode_bytes(mark))

    def _told(self, run_id: str) -> dict[str, object]:
        """The document of one run, with its pace and its cost."""
        services = self._services()
        state, told = services.insight.told(self._state(run_id))
        return {**run_document(state, services.cloud.clock.now(), told)}

    def _listed(self, state: RunState) -> dict[str, object]:
        """The document of one run of a list, with its cost and without its pace."""
        services = self._services()
        return {**run_document(state, services.cloud.clock.now(), services.insight.listed(state))}

    def _document(self, state: RunState) -> dict[str, object]:
        return {**run_document(state, self._services().cloud.clock.now())}


def stored_state(blobs: BlobStore, run_id: str) -> RunState:
    """The state of a run. Raises `FailedError` (E-RUN-UNKNOWN)."""
    state = StoredRuns(blobs).state(run_id) if re.fullmatch(base.RUN_ID, run_id) else None
    if state is None:
        raise unknown_run(run_id)
    return state


def other_than_json(request: Request) -> Response | None:
    """The problem with a body that says of itself that it is no JSON; None when it does not."""
    if _JSON_TYPE.fullmatch(request.headers.get("content-type", "application/json")) is not None:
        return None
    return problem(failure(Code.REQUEST_MALFORMED, "A request is JSON: application/json."), status=415)


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


def read_follow(request: Request) -> Callable[[str], str]:
    """Makes the address that `Location` names out of a run's id. Raises `FailedError` (E-REQUEST-FIELD)."""
    ways: dict[str, Callable[[str], str]] = {"run": run_path, "operation": operation_path}
    asked = request.query_params.get(FOLLOW.name, "run")
    if asked not in ways:
        message = f"{FOLLOW.name}: {asked[:20]!r} is neither run nor operation."
        raise FailedError.of(Code.REQUEST_FIELD, message, field=FOLLOW.name)
    return ways[asked]


def orchestrations_of(request: Request) -> Orchestrations:
    """The orchestrations this request may start and nudge (see `boundary`)."""
    orchestrations: Orchestrations = request.state.orchestrations
    return orchestrations
