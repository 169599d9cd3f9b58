"""What `/workloads` answers: what can be scored, and with which options."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.operations import Access, Answer, path_parameter, serves
from dropscore.api.plain_schema import plain
from dropscore.api.problems import problem
from dropscore.api.services import Services
from dropscore.contracts.base import Json
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.http.results import OptionsSchema
from dropscore.contracts.http.system import WorkloadDocument, WorkloadList
from dropscore.contracts.reading import suggestion

NAME = path_parameter("name", "The name of the workload.", "^[a-z][a-z0-9_]{1,63}$")


class WorkloadsApi:
    """The workloads, one of them, and its options alone."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="ListWorkloads",
        method="GET",
        path="/workloads",
        summary="List workloads",
        description="What can be scored, with the JSON Schema of each workload's options.",
        tag="catalogue",
        access=Access.VIEWER,
        answers={200: Answer(description="The workloads.", contract=WorkloadList)},
    )
    async def every(self, _request: Request) -> Response:
        """GET /workloads: their names, titles and the JSON Schema of their options."""
        return JSONResponse({"workloads": await self._described()})

    @serves(
        id="GetWorkload",
        method="GET",
        path="/workloads/{name}",
        summary="Get a workload",
        description="What one workload reads and which options it has, as JSON Schema.",
        tag="catalogue",
        access=Access.VIEWER,
        parameters=(NAME,),
        answers={200: Answer(description="The workload.", contract=WorkloadDocument)},
        statuses=(404,),
    )
    async def show(self, request: Request) -> Response:
        """GET /workloads/{name}: one of them."""
        described = await self._described()
        found = next((one for one in described if one["name"] == request.path_params["name"]), None)
        return unknown(request, described) if found is None else JSONResponse(found)

    @serves(
        id="GetWorkloadOptions",
        method="GET",
        path="/workloads/{name}/options",
        summary="Get a workload's options",
        description="The options of one workload as a JSON Schema without references or alternatives, for forms.",
        tag="catalogue",
        access=Access.VIEWER,
        parameters=(NAME,),
        answers={200: Answer(description="The options.", contract=OptionsSchema)},
        statuses=(404,),
    )
    async def options(self, request: Request) -> Response:
        """GET /workloads/{name}/options: its options alone, each titled for a form (`x-ms-summary`)."""
        described = await self._described()
        found = next((one for one in described if one["name"] == request.path_params["name"]), None)
        if found is None:
            return unknown(request, described)
        return JSONResponse({"workload": found["name"], "options": form(found["options"])})

    async def _described(self) -> list[dict[str, Json]]:
        return await run_in_threadpool(self._services().workloads.describe)


def form(options: Json) -> dict[str, Json]:
    """The schema of options as a form shows it: every one of them is titled, and none has to be filled in."""
    told = plain(options if isinstance(options, dict) else {})
    for name, one in told.get("properties", {}).items():
        one.pop("title", None)
        one["x-ms-summary"] = name.replace("_", " ").title()
    told.pop("title", None)
    return {"type": "object", **told}


def unknown(request: Request, described: list[dict[str, Json]]) -> Response:
    """404: there is no workload of this name."""
    name = request.path_params["name"]
    known = [str(one["name"]) for one in described]
    why = failure(
        Code.WORKLOAD_UNKNOWN,
        f"There is no workload {name[:70]!r}.",
        field="name",
        action=suggestion(name, known),
    )
    return problem(why, status=404)
