"""What `/runs/{run_id}/operation` answers: 202 while a run is under way, then what came of it.

Logic Apps, Power Automate and Azure's own clients know this pattern: they follow `Location` by themselves, at the pace
of `Retry-After`, until the answer is another than 202.
"""

from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.documents import operation_path, run_path
from dropscore.api.files import output_list
from dropscore.api.operations import LOCATION, RUN_ID, Access, Answer, query, serves
from dropscore.api.pages import MOST, Part
from dropscore.api.problems import problem
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.cloud.ports import Cloud
from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, Failure, FailureClass, failure
from dropscore.contracts.http.results import RunResult
from dropscore.contracts.run import RunState, RunStatus

SOONEST_S, LATEST_S = 1, 30
"""How soon, and how late, a caller who waits is asked to look again."""
SHARE = 10
"""A caller looks again after this share of the time that the run has taken, so that news is that late at most."""
REPORT = "report.html"
GOOD = (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS)
FAIL = query(
    "fail",
    "Whether a run that ended without outputs is answered with its failure as an error, instead of 200.",
    type="boolean",
    default=False,
)


class ResultsApi:
    """Waiting for runs."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="GetOperation",
        method="GET",
        path="/runs/{run_id}/operation",
        summary="Wait for a run",
        description="Answers 202 until the run has ended, then its result. Follow `Location` as `Retry-After` says.",
        tag="runs",
        access=Access.VIEWER,
        parameters=(RUN_ID, FAIL),
        answers={
            200: Answer(description="It has ended.", contract=RunResult),
            202: Answer(description="It is under way.", contract=RunResult, headers=LOCATION),
        },
        statuses=(404, 409, 410, 422, 502),
    )
    async def show(self, request: Request) -> Response:
        """GET /runs/{run_id}/operation: 202 with `Location` (itself) until the run has ended, then 200, whatever its
        end; with `fail=true` an end without outputs is the problem that its failure is.
        """
        fail = read_flag(request, FAIL.name)
        cloud = self._services().cloud
        state = await run_in_threadpool(stored_state, cloud.blobs, request.path_params["run_id"])
        result = JSONResponse(await run_in_threadpool(result_document, cloud, state))
        if not state.status.ended:
            result.status_code = 202
            result.headers["Location"] = operation_path(state.run_id, fail=fail)
            result.headers["Retry-After"] = str(look_again_s(state, cloud.clock.now()))
        elif fail and state.status not in GOOD:
            why = failure_of(state)
            return problem(why, status=status_of(why))
        return result


def result_document(cloud: Cloud, state: RunState) -> dict[str, Json]:
    """What came of a run, with links to it, or how far it is."""
    settled = state.items_done + state.items_failed
    found = output_list(cloud, state.run_id, Part(start=0, limit=MOST)) if state.status.ended else None
    reports = [one.url for one in found.documents if one.name == REPORT] if found else []
    result = RunResult(
        run_id=state.run_id,
        status=state.status,
        ended=state.status.ended,
        succeeded=state.status in GOOD,
        workload=state.workload,
        percent=round(100 * min(1, settled / state.items_total), 1) if state.items_total else 0.0,
        items_total=state.items_total,
        items_done=state.items_done,
        items_failed=state.items_failed,
        failure=state.failure,
        outputs=found.outputs if found else (),
        more=found is not None and found.next is not None,
        report=reports[0] if reports else None,
        expires_at=found.expires_at if found else None,
        run=run_path(state.run_id),
    )
    told = encode(result)
    return told if isinstance(told, dict) else {}


def look_again_s(state: RunState, now: str) -> int:
    """Seconds until a caller who waits should look again: more, the longer the run has taken."""
    age_s = (datetime.fromisoformat(now) - datetime.fromisoformat(state.created_at)).total_seconds()
    return max(SOONEST_S, min(LATEST_S, int(age_s / SHARE)))


def failure_of(state: RunState) -> Failure:
    """Why a run ended without outputs."""
    if state.failure is not None:
        return state.failure
    if state.status is RunStatus.CANCELLED:
        return failure(Code.RUN_CANCELLED, f"The run {state.run_id} was cancelled.")
    return failure(Code.INTERNAL, f"The run {state.run_id} ended as {state.status}.")


def status_of(why: Failure) -> int:
    """The HTTP status of a run's failure: 422 when its input is bad, 409 when somebody ended it, else 500. Never 503,
    after which callers would come again for the same answer.
    """
    if why.failure_class is FailureClass.CANCELLED:
        return 409
    return 422 if why.failure_class is FailureClass.BAD_INPUT else 500


def read_flag(request: Request, name: str) -> bool:
    """A parameter that is true or false; false when absent. Raises `FailedError` (E-REQUEST-FIELD)."""
    text = request.query_params.get(name, "false")
    if text.lower() not in ("true", "false"):
        raise FailedError.of(Code.REQUEST_FIELD, f"{name}: {text[:20]!r} is neither true nor false.", field=name)
    return text.lower() == "true"
