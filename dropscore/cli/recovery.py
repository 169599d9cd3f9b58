"""The commands about what went wrong in a run. Bodies are imported when they run, so that help costs nothing."""

from typing import Annotated

import typer

from dropscore.cli.app import Debug, Json, Run, app

__all__ = ["app"]


@app.command()
def replay(
    run: Run,
    *,
    model: Annotated[str | None, typer.Option(help="Another model or version than the run had.")] = None,
    note: Annotated[str | None, typer.Option(help="Free text, shown with the replay.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key is the same replay.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the replay to its end.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score again what failed in a run, and put its outputs together anew.

    It is a run of its own, which keeps all good results of the first one.
    """
    from dropscore.cli.replay import replay_run
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        raise typer.Exit(replay_run(session, run, model=model, note=note, key=key, watch=watch))


@app.command()
def quarantine(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Show what failed for good in a run, why, and each attempt at it."""
    from dropscore.cli.replay import show_quarantine
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        show_quarantine(session, run)


@app.command()
def verify(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Hold outputs, inputs and model to the digests in the receipt of a run."""
    from dropscore.cli.session import open_session
    from dropscore.cli.verify import verify_run

    with open_session(as_json=json, debug=debug) as session:
        raise typer.Exit(verify_run(session, run))
