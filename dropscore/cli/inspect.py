"""Tables of runs, and one run in full."""

from typing import Final

from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.finding import find_run
from dropscore.cli.session import Session
from dropscore.cli.views import RunView
from dropscore.cli.watch import show_end
from dropscore.contracts.run import RunState, RunStatus

WIDE_COLUMNS: Final = 100


def list_runs(session: Session, *, status: str | None, workload: str | None, most: int) -> None:
    """Runs, the newest first."""
    runs = list(session.api().runs(status=status, workload=workload, most=most))
    if session.screen.as_json:
        session.screen.document({"runs": [run.document for run in runs]})
        return
    if not runs:
        session.screen.say("There are no runs like this.")
        return
    session.screen.show(_table(runs, session))


def show_run(session: Session, run: str) -> None:
    """One run in full."""
    view = find_run(session.api(), run)
    if session.screen.as_json:
        session.screen.document(view.document)
        return
    state = view.state
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    for name, value in _facts(view):
        table.add_row(name, value)
    session.screen.show(table)
    session.screen.show()
    if state.status.ended:
        show_end(session, view)
    else:
        session.screen.show(f"Watch it with: dropscore watch {state.run_id}")


def _table(runs: list[RunView], session: Session) -> Table:
    """The list; ids are never cut, since they are there to be copied. The workload is left out on narrow screens."""
    wide = session.screen.out.width >= WIDE_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("run", no_wrap=True, min_width=max(len(run.state.run_id) for run in runs))
    for name in ("status", "items", "created", "workload")[: 4 if wide else 3]:
        table.add_column(name, justify="right" if name == "items" else "left", no_wrap=True)
    for run in runs:
        state = run.state
        items = f"{state.items_done:,}/{state.items_total:,}" if state.items_total else "–"
        age = wording.age(state.created_at, session.now())
        cells: list[str | Text] = [state.run_id, _status(state), items, age, state.workload or "–"]
        table.add_row(*cells[: 5 if wide else 4])
    return table


def _facts(view: RunView) -> list[tuple[str, str | Text]]:
    state = view.state
    source = state.source.trigger_name or state.source.kind
    facts: list[tuple[str, str | Text]] = [
        ("run", state.run_id),
        ("status", _status(state)),
        ("workload", state.workload or "–"),
        ("lane", state.lane.value if state.lane else "–"),
        ("from", source),
        ("created", f"{wording.moment(state.created_at)} UTC"),
    ]
    if state.source.follows:
        facts.append(("after", f"{state.source.follows}, of an earlier version of the same trigger file"))
    if state.rewinds:
        facts.append(("rewound", "once" if state.rewinds == 1 else f"{state.rewinds} times"))
    if state.note:
        facts.append(("note", state.note))
    if state.items_total:
        facts.append(("items", f"{state.items_done:,} of {state.items_total:,}, {state.items_failed:,} failed"))
        facts.append(("shards", f"{state.shards_settled:,} of {state.shards_total:,}"))
    times = [f"{stage} {wording.duration(seconds)}" for stage, seconds in _timed(view)]
    if times:
        facts.append(("time", ", ".join(times)))
    if state.detail and not state.status.ended:
        facts.append(("now", state.detail))
    facts += [(name, place) for name, place in view.documents.items()]
    return facts


def _status(state: RunState) -> Text:
    """A status with its mark, and that the run is suspended."""
    text = wording.status(state.status)
    return text.append(", suspended", style="yellow") if state.suspended_at and not state.status.ended else text


def _timed(view: RunView) -> list[tuple[str, float]]:
    endings = {status.value for status in RunStatus if status.ended}
    return [(stage, seconds) for stage, seconds in view.stage_times.items() if stage not in endings]


def cancel_run(session: Session, run: str) -> None:
    """Ask a run to stop. It ends within seconds, wherever it is."""
    view = session.api().cancel(find_run(session.api(), run).state.run_id)
    if session.screen.as_json:
        session.screen.document(view.document)
    elif view.state.status is RunStatus.CANCELLED:
        session.screen.show(f"{view.state.run_id} is cancelled already.")
    else:
        session.screen.show(f"{view.state.run_id} is being cancelled.")
