"""The items of a run, with the time each took in every step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.insight.items import ItemsWanted
from dropscore.api.insight.queries import member, whole
from dropscore.api.operations import Served
from dropscore.api.page import words
from dropscore.api.page.rendering import Pages
from dropscore.api.routing import without_key
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.contracts.http.items import ItemDocument, ItemState
from dropscore.contracts.run import RunState
from dropscore.contracts.verdict import ItemTiming

USUAL, MOST = 100, 1000
"""Items of a page."""
READS = 128
SLOWEST = 10
SLOWEST_OF = 1000
"""Items among which a run's page looks for the slowest."""
ORDERS = ("item", "state", "shard", *words.STEPS, "total", "worker")
"""What the table is sorted by: its columns."""
TIMES = frozenset({*words.STEPS, "total"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column. `falling` is how its link sorts."""

    name: str
    label: str
    number: bool
    falling: str | None


class ItemsPage:
    """`/runs/{run_id}/items` and `/runs/{run_id}/items.csv`."""

    def __init__(self, services: Callable[[], Services], pages: Pages, served: Mapping[str, Served]) -> None:
        self._services = services
        self._pages = pages
        self._served = served

    async def show(self, request: Request) -> Response:
        """GET /runs/{run_id}/items: a page of items, sorted by one of its columns."""
        return self._pages.answer(request, "items.html", await run_in_threadpool(self._context, request))

    async def table(self, request: Request) -> Response:
        """GET /runs/{run_id}/items.csv: the items as a file."""
        return await self._served["ItemsCsv"].handler(without_key(request))

    def _context(self, request: Request) -> Mapping[str, Any]:
        services, run_id = self._services(), request.path_params["run_id"]
        state = member(request, "state", ItemState)
        limit = whole(request, "limit", USUAL, least=1, most=MOST)
        after = whole(request, "after", -1, least=0, most=10**12)
        run = stored_state(services.cloud.blobs, run_id)
        wanted = ItemsWanted(state=state, limit=limit, after=after, most_reads=READS)
        found = services.insight.items(run, wanted)
        order = request.query_params.get("sort", "item")
        order = order if order in ORDERS else "item"
        falling = request.query_params.get("falling") == "yes"
        return {
            "run": run,
            "items": sorted_by(found.items, order, falling=falling),
            "next": found.last,
            "after": after,
            "heads": [_head(name, order, falling=falling) for name in ORDERS],
            "order": order,
            "falling": falling,
            "state": state,
            "states": [state.value for state in ItemState],
        }


def slowest(services: Services, run: RunState) -> list[ItemDocument]:
    """The slowest of a run's first items."""
    found = services.insight.items(run, ItemsWanted(limit=SLOWEST_OF, most_reads=READS))
    timed = [item for item in found.items if item.timing is not None]
    return sorted_by(timed, "total", falling=True)[:SLOWEST]


def sorted_by(
    items: "list[ItemDocument] | tuple[ItemDocument, ...]", order: str, *, falling: bool
) -> list[ItemDocument]:
    """Items by one of `ORDERS`; those without a time come last."""
    known = [item for item in items if order not in TIMES or item.timing is not None]
    rest = [item for item in items if item not in known]
    return [*sorted(known, key=lambda item: _place(item, order), reverse=falling), *rest]


def _head(name: str, order: str, *, falling: bool) -> Head:
    """Times are sorted with the longest first, all else rising; a second click turns the order round."""
    turned = not falling if name == order else name in TIMES
    label = {"total": "Total ms", **words.STEPS}.get(name, name.capitalize())
    return Head(name=name, label=label, number=name not in ("state", "worker"), falling="yes" if turned else None)


def _place(item: ItemDocument, order: str) -> tuple[float, str]:
    timing = item.timing or ItemTiming(item=item.item)
    match order:
        case "state":
            return (0, item.state.value)
        case "worker":
            return (0, item.worker or "")
        case "shard":
            return (item.shard_id, "")
        case "total":
            return (words.total_seconds(timing), "")
        case "item":
            return (item.item, "")
        case _:
            return (float(getattr(timing, f"{order}_s")), "")
