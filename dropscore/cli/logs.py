"""What every actor of a run has said, in the order of time."""

from typing import Final

from rich.text import Text

from dropscore.cli.finding import find_run
from dropscore.cli.session import Session
from dropscore.contracts.http.items import LogLine

WAIT_S: Final = 10
"""How long the API holds a question about lines that are still to come."""
NOT_SHOWN: Final = frozenset({"worker", "traceback"})
ACTOR_COLUMNS: Final = 24
STYLES: Final = {"warning": "yellow", "error": "bold red", "critical": "bold red"}


def show_logs(session: Session, run: str, *, actor: str, item: int | None, follow: bool) -> None:
    """Print the logs of a run; with `follow`, until it has ended and nothing new comes."""
    api = session.api()
    run_id = find_run(api, run).state.run_id
    after: str | None = None
    while True:
        page = api.logs(run_id, actor=actor, item=item, after=after, wait_s=WAIT_S if follow else 0)
        for line in page.lines:
            _print(session, line)
        if page.ended or not (page.more or follow):
            return
        after = page.next


def _print(session: Session, line: LogLine) -> None:
    if session.screen.as_json:
        session.screen.line(line.model_dump(mode="json", exclude_none=True))
        return
    if line.level is None:
        session.screen.show(Text.assemble((f"{line.actor}  ", "dim"), line.message))
        return
    about = {"item": line.item, "shard_id": line.shard_id, **line.fields}
    more = "  ".join(f"{name}={value}" for name, value in about.items() if value is not None and name not in NOT_SHOWN)
    session.screen.show(
        Text.assemble(
            (f"{(line.at or '')[11:23]}  ", "dim"),
            (f"{line.level:<8}", STYLES.get(line.level, "dim")),
            (f"{_short(line.actor)}  ", "cyan"),
            line.message,
            (f"  {more}" if more else "", "dim"),
        )
    )
    if traceback := line.fields.get("traceback"):
        session.screen.show(Text(str(traceback), style="dim"))


def _short(actor: str) -> str:
    """An actor's name in one column; long ones lose their middle."""
    if len(actor) <= ACTOR_COLUMNS:
        return actor
    half = (ACTOR_COLUMNS - 1) // 2
    return f"{actor[:half]}…{actor[-half:]}"
