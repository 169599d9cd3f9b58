"""What `/runs/{run_id}/replay` and `/runs/{run_id}/quarantine` answer."""

from collections.abc import Callable, Mapping
from itertools import islice

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.documents import run_document, run_path
from dropscore.api.operations import IDEMPOTENCY_KEY, LOCATION, RUN_ID, Access, Answer, query, serves
from dropscore.api.problems import problem
from dropscore.api.runs import POLL_AFTER_S, orchestrations_of, read_body, read_key, stored_state
from dropscore.api.services import Services
from dropscore.api.starting import encoding_problem
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.runs import QuarantinePage, RunDocument
from dropscore.contracts.quarantine import Quarantined
from dropscore.contracts.reading import Refusal, read_as
from dropscore.contracts.request import ReplayRequest
from dropscore.contracts.run import RunStatus

PAGE = 100
MOST = 1000


class ReplaysApi:
    """What failed for good in a run, and scoring it again."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="ReplayRun",
        method="POST",
        path="/runs/{run_id}/replay",
        summary="Replay a run",
        description="Scores what failed in an ended run again, in a new run that keeps the good results.",
        tag="runs",
        access=Access.SUBMITTER,
        parameters=(RUN_ID, IDEMPOTENCY_KEY),
        body=ReplayRequest,
        body_required=False,
        answers={202: Answer(description="The new run.", contract=RunDocument, headers=LOCATION)},
        statuses=(404, 409, 410),
    )
    async def replay(self, request: Request) -> Response:
        """POST /runs/{run_id}/replay: 202 with the new run, which keeps the good results of this one.

        The body is a `ReplayRequest`, or empty. The same `Idempotency-Key` with the same body is the same replay.
        """
        body, key = await read_body(request) or b"{}", read_key(request)
        refused = _refusal(body)
        if refused:
            return problem(*refused)
        services, run_id = self._services(), request.path_params["run_id"]
        state = await run_in_threadpool(stored_state, services.cloud.blobs, run_id)
        if not state.status.ended:
            raise FailedError.of(Code.REPLAY_NOTHING, f"The run {run_id} is still {state.status}.", field="run_id")
        if state.status not in (RunStatus.SUCCEEDED_WITH_GAPS, RunStatus.FAILED):
            message = f"The run {run_id} ended {state.status}: nothing of it is in quarantine."
            raise FailedError.of(Code.REPLAY_NOTHING, message, field="run_id")
        starter, tenant = services.starter, state.source.tenant
        asked = await starter.start_replay(run_id, body, key, orchestrations_of(request), tenant=tenant)
        started = await run_in_threadpool(stored_state, services.cloud.blobs, asked.record.run_id)
        headers = {"Location": run_path(started.run_id), "Retry-After": str(POLL_AFTER_S)}
        return JSONResponse(run_document(started, services.cloud.clock.now()), 202, headers)

    @serves(
        id="ListQuarantine",
        method="GET",
        path="/runs/{run_id}/quarantine",
        summary="List what failed",
        description="What failed for good in a run, with the reason and every attempt, in the order of items.",
        tag="runs",
        access=Access.VIEWER,
        parameters=(
            RUN_ID,
            query("limit", "Most entries on the page.", type="integer", minimum=1, maximum=MOST, default=PAGE),
            query("after", "Where the page before ended (its `next`)."),
        ),
        answers={200: Answer(description="A page of what failed.", contract=QuarantinePage)},
        statuses=(404, 410),
    )
    async def quarantine(self, request: Request) -> Response:
        """GET /runs/{run_id}/quarantine: what failed for good, in the order of items; `after` goes on behind a
        page's `next`.
        """
        services, run_id = self._services(), request.path_params["run_id"]
        await run_in_threadpool(stored_state, services.cloud.blobs, run_id)
        after = request.query_params.get("after", "")
        page = await run_in_threadpool(quarantine_page, services.cloud.blobs, run_id, after, _limit(request))
        return JSONResponse(page)


def quarantine_page(blobs: BlobStore, run_id: str, after: str, limit: int) -> Mapping[str, Json]:
    """A page of a run's quarantine, and where the next one begins (`next`, None after the last)."""
    prefix = layout.quarantine_prefix(run_id)
    listed = blobs.list(prefix, start_from=f"{prefix.name}{after}" if after else None)
    infos = list(islice((info for info in listed if info.path.name > f"{prefix.name}{after}"), limit + 1))
    shown = infos[:limit]
    items: list[Json] = [encode(decode(Quarantined, blobs.get(info.path).data)) for info in shown]
    more = shown[-1].path.name.removeprefix(prefix.name) if len(infos) > limit else None
    return {"run_id": run_id, "quarantined": items, "next": more}


def _refusal(body: bytes) -> Refusal:
    undecodable = encoding_problem(body)
    if undecodable is not None:
        return (undecodable,)
    asked = read_as(ReplayRequest, body.decode())
    return () if isinstance(asked, ReplayRequest) else asked


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise FailedError.of(Code.REQUEST_FIELD, f"limit: {text[:20]!r} is not 1 to {MOST}.", field="limit")
    return int(text)
