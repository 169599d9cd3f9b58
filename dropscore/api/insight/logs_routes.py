"""What `/runs/{run_id}/logs` answers."""

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.insight.log_lines import LinesWanted
from dropscore.api.insight.queries import member, refuse_unknown, whole
from dropscore.api.operations import RUN_ID, Access, Answer, query, serves
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.items import LogLevel, LogPage

LONGEST_WAIT_S = 20
LOOK_EVERY_S = 0.5
_LARGEST = 10**12 - 1
_PARAMETERS = (
    RUN_ID,
    query("actor", "Only lines of actors whose name holds this, such as `plan`, `stitch` or a worker's name."),
    query(
        "item",
        "Only lines about this item, or about the shard that holds it.",
        type="integer",
        minimum=0,
        maximum=_LARGEST,
    ),
    query("level", "Only lines of this level or a graver one.", type="string", enum=[str(level) for level in LogLevel]),
    query("after", "Where the page before ended (its `next`)."),
    query(
        "wait_s",
        "Seconds to wait for a line where there is none yet.",
        type="integer",
        minimum=0,
        maximum=LONGEST_WAIT_S,
        default=0,
    ),
)


class LogsApi:
    """The logs of a run."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="GetLogs",
        method="GET",
        path="/runs/{run_id}/logs",
        summary="Get the logs of a run",
        description="What every actor of a run has said, in the order of time. To follow a run, ask again with `after` "
        "until it has `ended`; with `wait_s` the answer waits for the next line.",
        tag="inside",
        access=Access.VIEWER,
        parameters=_PARAMETERS,
        answers={200: Answer(description="A page of lines.", contract=LogPage)},
        statuses=(404, 410, 422),
    )
    async def logs(self, request: Request) -> Response:
        """GET /runs/{run_id}/logs: lines in the order of time; with `wait_s`, as soon as there is one."""
        refuse_unknown(request, ("actor", "item", "level", "after", "wait_s"))
        clock = asyncio.get_running_loop()
        until = clock.time() + whole(request, "wait_s", 0, least=0, most=LONGEST_WAIT_S)
        after = request.query_params.get("after")
        while True:
            page: LogPage = await run_in_threadpool(self._page, request, after)
            if page.lines or page.more or page.ended or clock.time() >= until:
                return JSONResponse(encode(page))
            after = page.next
            await asyncio.sleep(LOOK_EVERY_S)

    def _page(self, request: Request, after: str | None) -> LogPage:
        services, run_id = self._services(), request.path_params["run_id"]
        state = stored_state(services.cloud.blobs, run_id)
        return services.insight.logs(run_id, self._wanted(request, run_id), after=after, ended=state.status.ended)

    def _wanted(self, request: Request, run_id: str) -> LinesWanted:
        item = whole(request, "item", -1, least=0, most=_LARGEST)
        return LinesWanted(
            actor=request.query_params.get("actor", ""),
            item=None if item < 0 else item,
            shard_id=None if item < 0 else self._shard_of(run_id, item),
            level=member(request, "level", LogLevel),
        )

    def _shard_of(self, run_id: str, item: int) -> int:
        """The shard that holds an item. Raises `FailedError` (E-REQUEST-REFERENCE) when none does."""
        plan = self._services().insight.plan(run_id)
        if plan is None:
            message = f"item: the run {run_id} has no plan, and so no items."
            raise FailedError.of(Code.REQUEST_REFERENCE, message, field="item")
        shard_id = plan.shard_of(item)
        if shard_id is None:
            message = f"item: the run has items 0 to {plan.items - 1}, and so no item {item}."
            raise FailedError.of(Code.REQUEST_REFERENCE, message, field="item", action="Use one of these numbers.")
        return shard_id
