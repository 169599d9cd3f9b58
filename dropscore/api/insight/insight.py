"""Everything that the API knows of the inside of runs, with what it remembers between calls."""

from dropscore.api.insight.boards import Boards
from dropscore.api.insight.grid import shard_grid
from dropscore.api.insight.items import ItemsFound, ItemsWanted, find_items
from dropscore.api.insight.log_cursor import cursor_text, read_cursor
from dropscore.api.insight.log_lines import LinesWanted
from dropscore.api.insight.logs import LogReading
from dropscore.api.insight.models import Models
from dropscore.api.insight.plans import Plan, Plans
from dropscore.api.insight.progress import SCORING, Told, caught_up, cost_of, pace_of, progress_of
from dropscore.api.insight.workers import Workers
from dropscore.cloud.api_settings import Price
from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.known_runs import KnownRuns
from dropscore.cloud.ports import BlobInfo, Cloud
from dropscore.contracts import layout
from dropscore.contracts.http.items import LogPage, ShardGrid
from dropscore.contracts.run import RunState

LOGS_FRESH_S = 0.5


class Insight:
    """Looks into runs. One for the life of a process, since it remembers; safe to share between threads."""

    def __init__(self, cloud: Cloud, runs: KnownRuns, price: Price | None = None) -> None:
        self.runs = runs
        self._cloud = cloud
        self._price = price
        self._plans = Plans(cloud.blobs, cloud.clock)
        self._boards = Boards(cloud.blobs, cloud.clock)
        self.workers = Workers(cloud.blobs, cloud.clock)
        self.models = Models(cloud.blobs, cloud.clock)
        self._logs = Coalesced(self._list_logs, cloud.clock, fresh_s=LOGS_FRESH_S)

    def told(self, state: RunState) -> tuple[RunState, Told]:
        """A run's state, caught up with what is settled by now, and its progress and cost."""
        cost = cost_of(self._worker_s(state), self._price)
        if state.status not in SCORING:
            return state, Told(progress=progress_of(state), cost=cost)
        board = self._boards.board(state)
        state = caught_up(state, board)
        at_pace = pace_of(state, board, self._cloud.clock.now())
        return state, Told(progress=progress_of(state, at_pace), cost=cost)

    def listed(self, state: RunState) -> Told:
        """What a list tells of a run: nothing is read for it."""
        return Told(progress=progress_of(state), cost=cost_of(state.worker_s, self._price))

    def shards(self, state: RunState) -> ShardGrid:
        """All shards of a run at a glance, a second old at most."""
        plan = self._plans.plan(state.run_id)
        working = frozenset[int]() if state.status.ended else self.workers.shards_of(state.run_id)
        return shard_grid(state.run_id, plan, self._boards.board(state), working)

    def items(self, state: RunState, wanted: ItemsWanted) -> ItemsFound:
        """A page of the items of a run; none before it has a plan."""
        plan = self._plans.plan(state.run_id)
        if plan is None:
            return ItemsFound(items=(), last=None)
        return find_items(self._cloud.blobs, state.run_id, plan, self._boards.board(state), wanted)

    def plan(self, run_id: str) -> Plan | None:
        """Which items each shard of a run has; None before it is planned."""
        return self._plans.plan(run_id)

    def logs(self, run_id: str, wanted: LinesWanted, *, after: str | None, ended: bool) -> LogPage:
        """A page of the logs of a run, as they were half a second ago at most; `ended` tells whether the run has.

        Raises `FailedError` (E-REQUEST-FIELD) when `after` is no cursor.
        """
        reading = LogReading(
            blobs=self._cloud.blobs,
            run_id=run_id,
            listed=self._logs((run_id, ended)),
            places=read_cursor(after),
            wanted=wanted,
            last=ended,
        )
        read = reading.page()
        return LogPage(
            run_id=run_id,
            lines=read.lines,
            next=cursor_text(read.places),
            more=read.more,
            ended=ended and not read.more,
        )

    def _worker_s(self, state: RunState) -> float:
        """Seconds in which workers scored for a run; of one that is under way a second old at most."""
        if state.status.ended or not state.items_total:
            return state.worker_s
        return max(state.worker_s, self._boards.board(state).worker_s)

    def _list_logs(self, key: tuple[str, bool], _last: tuple[BlobInfo, ...] | None) -> tuple[BlobInfo, ...]:
        run_id, _ended = key  # a list from before the end does not serve after it: then nothing is looked for again
        return tuple(self._cloud.blobs.list(layout.logs_prefix(run_id)))
