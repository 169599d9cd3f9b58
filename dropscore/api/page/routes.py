"""The addresses of the page, each asked who calls; an error is a page, too."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dropscore.api.operations import Handler, Served
from dropscore.api.page.assets import static
from dropscore.api.page.catalogue_page import CataloguePage
from dropscore.api.page.deeds import ON_MESSAGE, ON_QUEUE, ON_RUN, Deeds
from dropscore.api.page.items_page import ItemsPage
from dropscore.api.page.logs_page import LogsPage
from dropscore.api.page.pictures import Pictures
from dropscore.api.page.rendering import Pages
from dropscore.api.page.run_page import RunPage
from dropscore.api.page.runs_page import RunsPage
from dropscore.api.routing import guarded
from dropscore.api.services import Services
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


def page_routes(services: Callable[[], Services], operations: Sequence[Served]) -> list[BaseRoute]:
    """The routes, to be mounted at `/` behind those of the API. Each asks for what the operation asks for that it
    shows or does.
    """
    served = {one.operation.id: one for one in operations}
    pages = Pages(services)
    pictures, items = Pictures(services), ItemsPage(services, pages, served)
    runs, run = RunsPage(services, pages), RunPage(services, pages, served, pictures)
    catalogue, deeds = CataloguePage(services, pages, served), Deeds(pages, served)

    def shown(path: str, handler: Handler, operation: str, method: str = "GET") -> Route:
        asked = guarded(handler, served[operation].operation, services)
        return Route(path, _told(pages, asked), methods=[method])

    return [
        shown("/", runs.show, "ListRuns"),
        shown("/runs/{run_id}", run.show, "GetRun"),
        shown("/runs/{run_id}/items", items.show, "ListItems"),
        shown("/runs/{run_id}/items.csv", items.table, "ItemsCsv"),
        shown("/runs/{run_id}/logs", LogsPage(pages, served).show, "GetLogs"),
        shown("/runs/{run_id}/pictures/{shard_id:int}", pictures.show, "GetShards"),
        *(shown(f"/runs/{{run_id}}/{deed}", deeds.on_run(deed), name, "POST") for deed, name in ON_RUN.items()),
        shown("/workers", catalogue.workers, "ListWorkers"),
        shown("/models", catalogue.models, "ListModels"),
        shown("/workloads", catalogue.workloads, "ListWorkloads"),
        shown("/poison", catalogue.poison, "ListPoison"),
        *(
            shown(f"/poison/{{queue}}/{deed}", deeds.on_poison(deed, name), name, "POST")
            for deed, name in ON_QUEUE.items()
        ),
        *(
            shown(f"/poison/{{queue}}/{{id}}/{deed}", deeds.on_poison(deed, name), name, "POST")
            for deed, name in ON_MESSAGE.items()
        ),
        Route("/codes", _told(pages, catalogue.codes)),
        Route("/static/{name}", _told(pages, static)),
        Route("/{rest:path}", _told(pages, _nothing)),
    ]


def _told(pages: Pages, handler: Handler) -> Handler:
    """A handler whose every exception ends as a page: the wall of the page, as `Boundary` is that of the API."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001
            return pages.failed(request, error)

    return answer


async def _nothing(_request: Request) -> Response:
    raise FailedError.of(Code.PAGE_UNKNOWN)
