"""What `/sweep` answers."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.operations import Access, Answer, serves
from dropscore.api.runs import orchestrations_of
from dropscore.api.services import Services
from dropscore.cloud.sweep_log import last_sweep
from dropscore.contracts.codec import encode
from dropscore.contracts.http.system import LastSweep
from dropscore.contracts.sweep import SweepReport


class SweepApi:
    """What the sweep did last, and sweeping now."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="GetSweep",
        method="GET",
        path="/sweep",
        summary="Get the last sweep",
        description="What the last sweep found undone, and mended.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.VIEWER,
        answers={200: Answer(description="The last sweep.", contract=LastSweep)},
    )
    async def show(self, _request: Request) -> Response:
        """GET /sweep: the report of the last sweep; null when there was none."""
        return JSONResponse(_document(await run_in_threadpool(last_sweep, self._services().cloud.blobs)))

    @serves(
        id="Sweep",
        method="POST",
        path="/sweep",
        summary="Sweep now",
        description="Looks for what was left undone, mends it, and tells what was done.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.OPERATOR,
        answers={
            200: Answer(description="What was done.", contract=LastSweep),
            202: Answer(description="Another host is sweeping; the sweep before.", contract=LastSweep),
        },
    )
    async def sweep(self, request: Request) -> Response:
        """POST /sweep: sweep now, and tell what was done; 202 with the last report while another host is at it."""
        report = await self._services().sweep(orchestrations_of(request))
        if report is not None:
            return JSONResponse(_document(report))
        last = await run_in_threadpool(last_sweep, self._services().cloud.blobs)
        return JSONResponse(_document(last) | {"under_way": True}, 202)


def _document(report: SweepReport | None) -> dict[str, object]:
    return {"sweep": None if report is None else encode(report)}
