"""Follow a run to its end: a line of stages, a bar, and at the end what came out."""

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.exits import Exit, exit_of_run
from dropscore.cli.session import Session
from dropscore.cli.views import RunView
from dropscore.contracts.run import RunStatus

LOOK_EVERY_S = 0.25
BAR_COLUMNS = 32
STAGES = (RunStatus.PLANNING, RunStatus.PROVISIONING, RunStatus.SCORING, RunStatus.STITCHING)


def watch_run(session: Session, run_id: str) -> Exit:
    """Show a run until it ends; returns the exit code of its end. Ctrl-C leaves the run alone and says so."""
    try:
        view = _follow(session, run_id)
    except KeyboardInterrupt:
        session.screen.say(f"\nDetached; the run goes on. Watch it again with: dropscore watch {run_id}")
        return Exit.DETACHED
    if not session.screen.as_json:
        show_end(session, view)
    return exit_of_run(view.state.status)


def show_end(session: Session, view: RunView) -> None:
    """What became of a run that has ended: outputs and report, or why there are none."""
    state, show = view.state, session.screen.show
    items = f", {wording.items(state.items_done, state.items_total)}" if state.items_total else ""
    show(Text.assemble(wording.status(state.status), f" in {wording.duration(view.elapsed_s)}{items}"))
    if state.failure is not None:
        session.screen.fail(state.failure)
    names = [name for name in state.outputs if name != "manifest.json"]
    for name in names:
        show(Text.assemble(("output  ", "dim"), f"outputs/{state.run_id}/{name}"))
    if report := view.documents.get("report"):
        show(Text.assemble(("report  ", "dim"), report))
    if names:
        show(Text.assemble(("fetch   ", "dim"), f"dropscore download {state.run_id}"))
    if state.items_failed:
        show(Text.assemble(("failed  ", "dim"), f"dropscore quarantine {state.run_id}"))


def _follow(session: Session, run_id: str) -> RunView:
    """Look again and again until the run has ended; returns how."""
    if not session.screen.lively:
        return _look_until_end(session, run_id, _Lines(session))
    with Live(console=session.screen.out, transient=True, auto_refresh=False) as live:
        return _look_until_end(session, run_id, lambda view: live.update(_picture(view), refresh=True))


def _look_until_end(session: Session, run_id: str, show: Callable[[RunView], None]) -> RunView:
    api = session.api()
    while True:
        view = api.run(run_id)
        show(view)
        if view.state.status.ended:
            return view
        session.pause(LOOK_EVERY_S)


class _Lines:
    """Shows progress where nothing can move: a line for each piece of news."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: object = None

    def __call__(self, view: RunView) -> None:
        if (news := _news(view)) != self._shown:
            self._shown = news
            _tell(self._session, view)


def _news(view: RunView) -> tuple[object, ...]:
    """What is worth a new line where nothing can move: a status, or a tenth of the items."""
    state = view.state
    tenths = state.items_done * 10 // state.items_total if state.items_total else 0
    return state.status, tenths, state.items_failed, state.suspended_at is not None


def _tell(session: Session, view: RunView) -> None:
    if session.screen.as_json:
        known = {"rate": view.rate_per_s, "eta_s": view.eta_s, "elapsed_s": view.elapsed_s}
        session.screen.line(view.document | known)
    else:
        parts = [wording.duration(view.elapsed_s).rjust(10), view.state.status.value, *_figures(view)]
        session.screen.show("  ".join(parts))


def _picture(view: RunView) -> RenderableType:
    """Stage line, bar and figures, what it waits for."""
    state = view.state
    rows: list[RenderableType] = [
        Text.assemble((state.run_id, "bold"), f"  {state.workload or ''}"),
        _stages(view),
    ]
    if state.items_total:
        line = Table.grid(padding=(0, 2))
        bar = ProgressBar(
            total=state.items_total,
            completed=state.items_done,
            width=BAR_COLUMNS,
            complete_style="cyan",
            finished_style="green",
        )
        line.add_row(bar, *_figures(view))
        rows.append(line)
    if state.detail:
        rows.append(Text(state.detail, style="dim"))
    return Group(*rows)


def _stages(view: RunView) -> Text:
    """`✓ planning 0.8 s  ● scoring 4.2 s  ○ stitching`; the time of each."""
    text = Text()
    passed = [stage for stage in STAGES if stage.value in view.stage_times]
    for stage in STAGES:
        now = stage is view.state.status
        mark, style = ("●", "bold cyan") if now else ("✓", "green") if stage in passed else ("○", "dim")
        seconds = view.stage_times.get(stage.value)
        time = f" {wording.duration(seconds)}" if seconds is not None else ""
        text.append(f"{mark} {stage.value}{time}   ", style=style)
    text.append(f"elapsed {wording.duration(view.elapsed_s)}", style="dim")
    return text


def _figures(view: RunView) -> list[str]:
    state = view.state
    if not state.items_total:
        return []
    figures = [wording.items(state.items_done, state.items_total)]
    if state.items_failed:
        figures.append(f"{state.items_failed:,} failed")
    if state.status is RunStatus.SCORING:
        figures += [f"{view.rate_per_s:.1f}/s"] if view.rate_per_s is not None else []
        figures += [f"ETA {wording.duration(view.eta_s)}"] if view.eta_s is not None else []
    if state.suspended_at is not None and not state.status.ended:
        figures.append("suspended")
    if state.workers and not state.status.ended:
        figures.append(f"{state.workers} {'worker' if state.workers == 1 else 'workers'}")
    return figures
