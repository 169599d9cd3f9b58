"""The list of runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dropscore import quantities
from dropscore.api.callers import caller_of
from dropscore.api.listing import LIST_PARAMETERS, list_runs, read_wanted
from dropscore.api.page import words
from dropscore.api.page.rendering import Pages
from dropscore.api.services import Services
from dropscore.contracts.http.runs import Cost
from dropscore.contracts.run import RunState, RunStatus

BUSY_MS, CALM_MS = 1_000, 4_000
"""How soon the script looks again: while a run of the page is under way, and else."""
_KNOWN = frozenset(parameter.name for parameter in LIST_PARAMETERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One line of the list. `lasted` is how long the run has taken so far, or took."""

    state: RunState
    lasted: str
    age: str
    cost: Cost | None


class RunsPage:
    """`/`: the runs, newest first."""

    def __init__(self, services: Callable[[], Services], pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """GET /: a page of runs, filtered by status and workload."""
        asked = {name: text for name, text in request.query_params.items() if name in _KNOWN and text}
        services = self._services()
        page = await run_in_threadpool(
            list_runs, services.insight.runs, replace(read_wanted(asked), tenant=caller_of(request).tenant)
        )
        titles = await run_in_threadpool(self._pages.titles)
        now = services.cloud.clock.now()
        busy = any(not run.status.ended for run in page.runs)
        context = {
            "rows": [_row(run, now, services.insight.listed(run).cost) for run in page.runs],
            "next": page.next,
            "statuses": [status.value for status in RunStatus],
            "titles": titles,
            "asked": asked,
            "every_ms": BUSY_MS if busy else CALM_MS,
        }
        return self._pages.answer(request, "runs.html", context)


def _row(run: RunState, now: str, cost: Cost | None) -> RunRow:
    until = run.updated_at if run.status.ended else now
    lasted = quantities.duration(words.between(run.created_at, until))
    return RunRow(state=run, lasted=lasted, age=words.age(run.created_at, now), cost=cost)
