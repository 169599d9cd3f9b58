"""What `/runs/{run_id}/shards`, `/items` and `/items.csv` answer."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.insight.csv_text import items_csv
from dropscore.api.insight.items import ItemsFound, ItemsWanted
from dropscore.api.insight.queries import member, refuse_unknown, whole
from dropscore.api.operations import RUN_ID, Access, Answer, Parameter, query, serves
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.contracts.codec import encode
from dropscore.contracts.http.items import ItemPage, ItemState, ShardGrid

USUAL, MOST = 100, 1000
MOST_LINES = 10_000
"""Most lines of one CSV file."""
READS, READS_FOR_CSV = 128, 1024
"""Verdicts read for one page."""
_LARGEST = 10**12 - 1


def _parameters(usual: int, most: int) -> tuple[Parameter, ...]:
    return (
        RUN_ID,
        query("state", "Only items of this state.", type="string", enum=[str(state) for state in ItemState]),
        query("limit", "Most items on the page.", type="integer", minimum=1, maximum=most, default=usual),
        query("after", "Where the page before ended (its `next`).", type="string", pattern="^[0-9]{1,12}$"),
    )


class ItemsApi:
    """The shards and items of a run."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="GetShards",
        method="GET",
        path="/runs/{run_id}/shards",
        summary="Get the shards of a run",
        description="A letter for each shard: `.` waiting, `w` being scored, `d` done, `r` done after a retry, "
        "`s` divided because an item of it failed, `f` failed. A second old at most.",
        tag="inside",
        access=Access.VIEWER,
        parameters=(RUN_ID,),
        answers={200: Answer(description="The shards.", contract=ShardGrid)},
        statuses=(404, 410),
    )
    async def shards(self, request: Request) -> Response:
        """GET /runs/{run_id}/shards: all shards at a glance; none before there is a plan."""
        return JSONResponse(encode(await run_in_threadpool(self._grid, request.path_params["run_id"])))

    @serves(
        id="ListItems",
        method="GET",
        path="/runs/{run_id}/items",
        summary="List the items of a run",
        description="Items in their order with their timings, and why failed ones failed. A page may hold fewer than "
        "asked for although more follow: go on while there is a `next`.",
        tag="inside",
        access=Access.VIEWER,
        parameters=_parameters(USUAL, MOST),
        answers={200: Answer(description="A page of items.", contract=ItemPage)},
        statuses=(404, 410),
    )
    async def items(self, request: Request) -> Response:
        """GET /runs/{run_id}/items: items in their order; `after` goes on behind a page's `next`."""
        found = await run_in_threadpool(self._found, request, USUAL, MOST, READS)
        page = ItemPage(run_id=request.path_params["run_id"], items=found.items, next=_next(found))
        return JSONResponse(encode(page))

    @serves(
        id="ItemsCsv",
        method="GET",
        path="/runs/{run_id}/items.csv",
        summary="Get the items of a run as a table",
        description="The same as CSV, times in milliseconds. Where more follow, the header `Link` names the next page.",
        tag="inside",
        access=Access.VIEWER,
        parameters=_parameters(MOST_LINES, MOST_LINES),
        answers={
            200: Answer(
                description="The table.", media_type="text/csv", headers={"Link": "The next page, as `rel=next`."}
            )
        },
        statuses=(404, 410),
    )
    async def table(self, request: Request) -> Response:
        """GET /runs/{run_id}/items.csv: the items as CSV."""
        found = await run_in_threadpool(self._found, request, MOST_LINES, MOST_LINES, READS_FOR_CSV)
        name = f"{request.path_params['run_id']}-items.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if (after := _next(found)) is not None:
            more = urlencode({**request.query_params, "after": after})
            headers["Link"] = f'<{request.url.path}?{more}>; rel="next"'
        return Response(items_csv(found.items), headers=headers, media_type="text/csv")

    def _grid(self, run_id: str) -> ShardGrid:
        services = self._services()
        return services.insight.shards(stored_state(services.cloud.blobs, run_id))

    def _found(self, request: Request, usual: int, most: int, reads: int) -> ItemsFound:
        refuse_unknown(request, ("state", "limit", "after"))
        wanted = ItemsWanted(
            state=member(request, "state", ItemState),
            limit=whole(request, "limit", usual, least=1, most=most),
            after=whole(request, "after", -1, least=0, most=_LARGEST),
            most_reads=reads,
        )
        services, run_id = self._services(), request.path_params["run_id"]
        return services.insight.items(stored_state(services.cloud.blobs, run_id), wanted)


def _next(found: ItemsFound) -> str | None:
    return None if found.last is None else str(found.last)
