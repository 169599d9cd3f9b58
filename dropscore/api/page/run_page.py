"""One run: how it stands, what may be done, its shards, what failed, what it made."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.files import input_list, output_list
from dropscore.api.insight.progress import Told
from dropscore.api.operations import Served
from dropscore.api.page import shards_view
from dropscore.api.page.deeds import deeds_of
from dropscore.api.page.items_page import slowest
from dropscore.api.page.logs_page import SHOWN_SHORT, LogsPage
from dropscore.api.page.pictures import Pictures
from dropscore.api.page.rendering import LIVE_HEADER, Pages
from dropscore.api.page.viewers import viewer_of
from dropscore.api.pages import Part
from dropscore.api.replays import quarantine_page
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Failure
from dropscore.contracts.http.items import LogLevel
from dropscore.contracts.plan import PlanIndex
from dropscore.contracts.run import RunState, RunStatus, stage_seconds

LIVE_MS = 400
"""How soon the script looks again while a run is under way: a verdict is to be seen within 1.5 seconds."""
PUBLISHED = (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS)
FILES = Part(start=0, limit=200)
"""Outputs on one page."""
LOG_PAGES = 3
REFUSALS_KEPT = 256
FAILURES = 20
"""Failure cards on one page."""
LINE = (
    RunStatus.PENDING,
    RunStatus.PLANNING,
    RunStatus.PROVISIONING,
    RunStatus.SCORING,
    RunStatus.STITCHING,
)
"""The stages that a run passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the line. `phase` is done, now or ahead; `seconds` None while it is ahead."""

    name: str
    phase: str
    seconds: float | None


class RunPage:
    """`/runs/{run_id}`."""

    def __init__(
        self, services: Callable[[], Services], pages: Pages, served: Mapping[str, Served], pictures: Pictures
    ) -> None:
        self._services = services
        self._pages = pages
        self._served = served
        self._pictures = pictures
        self._logs = LogsPage(pages, served)
        self._refused: dict[str, tuple[Failure, ...]] = {}

    async def show(self, request: Request) -> Response:
        """GET /runs/{run_id}: everything of one run."""
        state, told = await run_in_threadpool(self._told, request.path_params["run_id"])
        facts = run_in_threadpool(self._facts, request, state, told)
        results = run_in_threadpool(self._results, state)
        if LIVE_HEADER in request.headers:
            parts = await asyncio.gather(facts, results)
            context: dict[str, Any] = {"slowest": [], "tail": None}
        else:
            times = run_in_threadpool(slowest, self._services(), state)
            *parts, slow, tail = await asyncio.gather(
                facts, results, times, self._logs.tail(request, {}, SHOWN_SHORT, LOG_PAGES)
            )
            context = {"slowest": slow, "tail": tail}
        return self._pages.answer(request, "run.html", {**context, **parts[0], **parts[1]})

    def _told(self, run_id: str) -> tuple[RunState, Told]:
        services = self._services()
        return services.insight.told(stored_state(services.cloud.blobs, run_id))

    def _facts(self, request: Request, state: RunState, told: Told) -> Mapping[str, Any]:
        cloud, now = self._services().cloud, self._services().cloud.clock.now()
        return {
            "run": state,
            "progress": told.progress,
            "cost": told.cost,
            "title": self._pages.titles().get(state.workload or "", state.workload or "A run"),
            "now": now,
            "stages": stages(state, now),
            "deeds": deeds_of(state, self._pages.visit(request), self._served),
            "form_key": uuid4().hex,
            "levels": [str(level) for level in LogLevel],
            **self._shards(request, state),
            "refused": self._refused_of(state),
            "failures": quarantine_page(cloud.blobs, state.run_id, request.query_params.get("failures", ""), FAILURES),
            "every_ms": 0 if state.status.ended else LIVE_MS,
        }

    def _refused_of(self, state: RunState) -> tuple[Failure, ...]:
        """The inputs that the plan refused; a plan never changes, and so these are read once."""
        if not state.items_total:
            return ()
        if state.run_id not in self._refused:
            if len(self._refused) >= REFUSALS_KEPT:
                self._refused.clear()
            try:
                plan = self._services().cloud.blobs.get(layout.plan_index(state.run_id)).data
            except NotFoundError:
                return ()
            self._refused[state.run_id] = decode(PlanIndex, plan).refused
        return self._refused[state.run_id]

    def _results(self, state: RunState) -> Mapping[str, Any]:
        """What a run has made, with links that are good for some minutes; nothing before it is published."""
        viewer = viewer_of(state.workload)
        if state.status not in PUBLISHED:
            return {"viewer": viewer.template, "outputs": None}
        cloud = self._services().cloud
        outputs = output_list(cloud, state.run_id, FILES)
        inputs = input_list(cloud, state.run_id, FILES)
        return {"viewer": viewer.template, "outputs": outputs, **viewer.arrange(outputs, inputs)}

    def _shards(self, request: Request, state: RunState) -> Mapping[str, Any]:
        insight = self._services().insight
        grid = insight.shards(state)
        shard_id = shards_view.chosen(request.query_params, grid)
        return {
            "grid": grid,
            "workers": insight.workers.of(state.run_id),
            "letters": shards_view.letters(grid),
            "titles": shards_view.titles(),
            "first_items": shards_view.first_items(grid),
            "shard": None if shard_id is None else shards_view.card(insight, state, grid, shard_id),
            "sheet": self._pictures.sheet(grid),
        }


def stages(state: RunState, now: str) -> list[Stage]:
    """The line of stages with the seconds spent in each, the ending last."""
    seconds = stage_seconds(state.stages, state.updated_at if state.status.ended else now)
    line = [
        Stage(
            name=stage.value,
            phase="now" if stage is state.status else "done" if stage.value in seconds else "ahead",
            seconds=seconds.get(stage.value),
        )
        for stage in LINE
        if stage.value in seconds or not state.status.ended
    ]
    if not state.status.ended:
        return line
    return [*line, Stage(name=state.status.value, phase="now", seconds=None)]
