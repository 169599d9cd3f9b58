"""What failed for good in a run, and scoring it again."""

import secrets
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.exits import Exit
from dropscore.cli.finding import find_run
from dropscore.cli.session import Session
from dropscore.cli.watch import watch_run
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.contracts.quarantine import Attempt, Quarantined

ATTEMPTS_SHOWN = 8
MOST_COLUMNS = 24
"""Of a terminal, that a column keeps for itself where room is scarce."""


def replay_run(
    session: Session, run: str, *, model: str | None, note: str | None, key: str | None, watch: bool
) -> Exit:
    """Have what failed scored again, in a new run that keeps all good results."""
    replayed = find_run(session.api(), run).state.run_id
    given = {"model": model, "note": note}
    request: dict[str, Json] = {name: value for name, value in given.items() if value is not None}
    view = session.api().replay(replayed, request, key or secrets.token_hex(16))
    run_id = view.state.run_id
    if watch:
        session.screen.say(f"Run {run_id}")
        return watch_run(session, run_id)
    if session.screen.as_json:
        session.screen.document(view.document)
    else:
        session.screen.show(Text(run_id))
        session.screen.say(f"Watch it with: dropscore watch {run_id}")
    return Exit.OK


def show_quarantine(session: Session, run: str) -> None:
    """Everything of a run that is in quarantine."""
    run_id = find_run(session.api(), run).state.run_id
    found = list(session.api().quarantine(run_id))
    if session.screen.as_json:
        session.screen.document({"run_id": run_id, "quarantined": list(found)})
        return
    if not found:
        session.screen.say(f"Nothing of {run_id} is in quarantine.")
        return
    for document in found:
        _show(session, decode(Quarantined, document))
    session.screen.say(f"Score it again with: dropscore replay {run_id}")


def _show(session: Session, one: Quarantined) -> None:
    """One entry: which items, why, what to do, and the attempts as a table."""
    last = one.range.end - 1
    which = f"item {one.range.first_item}" if one.range.items == 1 else f"items {one.range.first_item} to {last}"
    screen = session.screen
    screen.show(Text.assemble((which, "bold"), f" of {one.input}" if one.input else ""))
    screen.show(Text.assemble((one.failure.code.value, "bold red"), "  ", one.failure.message))
    screen.show(Text.assemble(("→ ", "dim"), one.failure.action))
    if one.tries:
        screen.show(_attempts(one.tries))
    screen.show()


def _attempts(tries: Sequence[Attempt]) -> Table:
    """The last attempts. Where room is scarce the workers' names, which are long, are cut short and nothing else."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    rows = [
        (
            str(number),
            tried.at[11:19],
            tried.signal or tried.failure.code.value,
            wording.ranges(tried.at_work) or "–",
            tried.worker.worker,
        )
        for number, tried in list(enumerate(tries, start=1))[-ATTEMPTS_SHOWN:]
    ]
    for place, title in enumerate(("attempt", "at", "ended by", "at work", "worker")):
        widest = max(len(title), *(len(row[place]) for row in rows))
        table.add_column(title, no_wrap=True, min_width=None if title == "worker" else min(widest, MOST_COLUMNS))
    for row in rows:
        table.add_row(*row)
    return table
