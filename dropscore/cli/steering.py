"""Suspend, resume, rewind and delete runs."""

import typer

from dropscore.cli.finding import find_run
from dropscore.cli.session import Session
from dropscore.cli.views import RunView
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


def suspend_run(session: Session, run: str) -> None:
    """Begin nothing new for a run."""
    before = find_run(session.api(), run)
    view = session.api().steer(before.state.run_id, "suspend")
    again = " already" if before.state.suspended_at else ""
    _tell(session, view, f"is suspended{again}. Go on with: dropscore resume {view.state.run_id}")


def resume_run(session: Session, run: str) -> None:
    """Let a suspended run go on."""
    before = find_run(session.api(), run)
    view = session.api().steer(before.state.run_id, "resume")
    _tell(session, view, "goes on." if before.state.suspended_at else "is not suspended: it goes on as it did.")


def rewind_run(session: Session, run: str) -> None:
    """Let a failed run go on from where it failed."""
    view = session.api().steer(find_run(session.api(), run).state.run_id, "rewind")
    _tell(session, view, f"goes on from where it failed. Watch it with: dropscore watch {view.state.run_id}")


def delete_run(session: Session, run: str, *, asked: bool) -> None:
    """Delete an ended run; `asked`: only after a question. Deleting it twice is deleting it once."""
    run_id = _run_to_delete(session, run)
    question = f"Delete {run_id} with its outputs, logs and records?"
    if asked and session.screen.out.is_terminal and not typer.confirm(question):
        session.screen.show("Nothing was deleted.")
        return
    answer = session.api().delete(run_id)
    if session.screen.as_json:
        session.screen.document(answer)
    elif answer["deleted"]:
        session.screen.show(f"{run_id} is deleted. Its inputs, and its trigger file if it had one, are still there.")
    else:
        session.screen.show(f"{run_id} is being deleted; there is much of it, and the sweep does the rest.")


def _run_to_delete(session: Session, run: str) -> str:
    """The id of a run, also of one that is deleted already."""
    try:
        return find_run(session.api(), run).state.run_id
    except FailedError as error:
        if error.failure.code is Code.RUN_DELETED:
            return run
        raise


def _tell(session: Session, view: RunView, news: str) -> None:
    if session.screen.as_json:
        session.screen.document(view.document)
    else:
        session.screen.show(f"{view.state.run_id} {news}")
