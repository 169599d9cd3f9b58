"""The commands that steer runs and keep all tidy. Bodies are imported when they run, so that help costs nothing."""

from typing import Annotated

import typer

from dropscore.cli.app import EPILOG, Debug, Json, Run
from dropscore.cli.recovery import app

poison = typer.Typer(
    help="Messages that nobody could read.", epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(poison, name="poison")

Queue = Annotated[
    str, typer.Argument(metavar="QUEUE", help="urgent, normal, offpeak, run-events, webhooks or a full name.")
]
Message = Annotated[str | None, typer.Argument(metavar="ID", help="Id of a message, or its beginning.")]
All = Annotated[bool, typer.Option("--all", help="Every message of the queue.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def suspend(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Begin nothing new for a run: no shard, no container. What is under way is finished."""
    from dropscore.cli.session import open_session
    from dropscore.cli.steering import suspend_run

    with open_session(as_json=json, debug=debug) as session:
        suspend_run(session, run)


@app.command()
def resume(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Let a suspended run go on."""
    from dropscore.cli.session import open_session
    from dropscore.cli.steering import resume_run

    with open_session(as_json=json, debug=debug) as session:
        resume_run(session, run)


@app.command()
def rewind(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Let a failed run go on from where it failed, with the results it has."""
    from dropscore.cli.session import open_session
    from dropscore.cli.steering import rewind_run

    with open_session(as_json=json, debug=debug) as session:
        rewind_run(session, run)


@app.command()
def delete(run: Run, yes: Yes = False, json: Json = False, debug: Debug = False) -> None:
    """Delete a run that has ended: its outputs, logs and records. Inputs and trigger files stay."""
    from dropscore.cli.session import open_session
    from dropscore.cli.steering import delete_run

    with open_session(as_json=json, debug=debug) as session:
        delete_run(session, run, asked=not yes and not json)


@app.command()
def sweep(
    now: Annotated[bool, typer.Option("--now", help="Sweep at once, and show that.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what the last sweep has found and mended."""
    from dropscore.cli.session import open_session
    from dropscore.cli.sweeping import show_sweep

    with open_session(as_json=json, debug=debug) as session:
        show_sweep(session, now=now)


@poison.command("list")
def poison_list(json: Json = False, debug: Debug = False) -> None:
    """List the poison queues and the next messages of each."""
    from dropscore.cli.poison import list_poison
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        list_poison(session)


@poison.command("show")
def poison_show(queue: Queue, message: Message, json: Json = False, debug: Debug = False) -> None:
    """Show one message in full, and why it was put aside."""
    from dropscore.cli.poison import show_poison
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        show_poison(session, queue, message)


@poison.command("drop")
def poison_drop(
    queue: Queue, message: Message = None, every: All = False, json: Json = False, debug: Debug = False
) -> None:
    """Delete a message for good, or all of a queue."""
    from dropscore.cli.poison import drop_poison
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        drop_poison(session, queue, message, every=every)


@poison.command("retry")
def poison_retry(
    queue: Queue, message: Message = None, every: All = False, json: Json = False, debug: Debug = False
) -> None:
    """Send a message, or all of a queue, back to where it came from; refused if it still cannot be read."""
    from dropscore.cli.poison import retry_poison
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        retry_poison(session, queue, message, every=every)


__all__ = ["app"]
