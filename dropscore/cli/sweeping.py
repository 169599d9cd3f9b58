"""What the sweep has found and mended."""

from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.session import Session
from dropscore.contracts.codec import decode
from dropscore.contracts.sweep import SweepAct, SweepReport


def show_sweep(session: Session, *, now: bool) -> None:
    """The last sweep; with `now` one that is made for it."""
    answer = session.api().sweep() if now else session.api().last_sweep()
    if session.screen.as_json:
        session.screen.document(answer)
        return
    if answer.get("under_way"):
        session.screen.say("Another host is sweeping; this is what the last sweep did.")
    if answer.get("sweep") is None:
        session.screen.say("There has been no sweep yet.")
        return
    _show(session, decode(SweepReport, answer["sweep"]))


def _show(session: Session, report: SweepReport) -> None:
    screen = session.screen
    age = wording.age(report.started_at, session.now())
    rest = "" if report.complete else "; it stopped in time and goes on with the next"
    screen.show(f"Swept {age} in {wording.duration(report.duration_s)} on {report.host}{rest}.")
    looked = ", ".join(f"{count:,} {what}" for what, count in report.looked_at.items()) or "nothing to look at"
    screen.show(Text(f"looked at  {looked}", style="dim"))
    if report.acts:
        screen.show(_acts(session, report.acts))
        if report.acts_total > len(report.acts):
            screen.show(f"… and {report.acts_total - len(report.acts):,} more.")
    else:
        screen.show("Nothing was amiss.")
    for problem in report.problems:
        screen.show(Text(problem, style="yellow"))
    if report.earlier:
        screen.show()
        screen.show(Text("earlier", style="dim"))
        screen.show(_acts(session, report.earlier))


def _acts(session: Session, acts: tuple[SweepAct, ...]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    for style in ("dim", "cyan", None, None):
        table.add_column(style=style)
    for act in acts:
        deed = act.deed.value.replace("_", " ")
        table.add_row(wording.age(act.at, session.now()), deed, act.target, act.detail)
    return table
