"""What `/workers` and `/runs/{run_id}/workers` answer."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.callers import caller_of
from dropscore.api.operations import RUN_ID, Access, Answer, serves
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.contracts.codec import encode
from dropscore.contracts.http.items import WorkerDocument, WorkerList


class WorkersApi:
    """The workers that have told of themselves lately."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="ListWorkers",
        method="GET",
        path="/workers",
        summary="List workers",
        description="The workers heard of in the last half minute, and what they score. Who sees the runs of one "
        "tenant alone is not told for which run a worker works.",
        tag="inside",
        access=Access.VIEWER,
        answers={200: Answer(description="The workers.", contract=WorkerList)},
    )
    async def workers(self, request: Request) -> Response:
        """GET /workers: every worker, by name."""
        workers = self._services().insight.workers
        found = await run_in_threadpool(workers.all, with_runs=caller_of(request).tenant is None)
        return JSONResponse(encode(WorkerList(workers=found)))

    @serves(
        id="ListRunWorkers",
        method="GET",
        path="/runs/{run_id}/workers",
        summary="List the workers of a run",
        description="The workers that are scoring shards of a run, and which.",
        tag="inside",
        access=Access.VIEWER,
        parameters=(RUN_ID,),
        answers={200: Answer(description="The workers.", contract=WorkerList)},
        statuses=(404, 410),
    )
    async def of_run(self, request: Request) -> Response:
        """GET /runs/{run_id}/workers: the workers that are at work for a run."""
        found = await run_in_threadpool(self._of_run, request.path_params["run_id"])
        return JSONResponse(encode(WorkerList(workers=found)))

    def _of_run(self, run_id: str) -> tuple[WorkerDocument, ...]:
        services = self._services()
        stored_state(services.cloud.blobs, run_id)
        return services.insight.workers.of(run_id)
