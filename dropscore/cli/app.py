"""The commands and their options. Bodies are imported when they run, so that help costs nothing."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """\b
Exit codes:
  0    done
  2    wrong use of the command
  3    the request or an input is not valid
  4    the run failed or was cancelled
  5    the run succeeded with gaps
  6    the surroundings are not right: API, storage, settings, quota
  130  detached with Ctrl-C; a run goes on

\b
Settings: DROPSCORE_URL names a Function app, DROPSCORE_KEY or DROPSCORE_TOKEN
(Entra ID) opens it; nothing else is needed. Only `run --trigger` also asks for
DataStorage, and storing models for SystemStorage. Without DROPSCORE_URL the
local cloud of this folder is used (.local/, or DROPSCORE_LOCAL).
NO_COLOR turns colours off; output to a file or program never has any."""

RUN_EXAMPLES = """\b
  dropscore run film.mp4 --workload style_transfer --watch
  dropscore run photos/ -w style_transfer -o preserve_colour=true -o scale=0.5
  dropscore run a.jpg -w style_transfer -o method=optimisation -o style_image=@b.jpg"""

IMPORT_EXAMPLES = """\b
  dropscore models import mosaic.pth --name mosaic --licence BSD-3-Clause"""

app = typer.Typer(
    help="Drop a file, get it scored on GPUs.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
models = typer.Typer(help="The model packages in storage.", epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(models, name="models")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a stack trace when something goes wrong.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning where that is unique.")]


@app.callback()
def root(
    url: Annotated[
        str | None, typer.Option(help="Address of a Function app, instead of the variable DROPSCORE_URL.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Its key. Better set DROPSCORE_KEY: others on this machine can read a command line."),
    ] = None,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and leave.")] = False,
) -> None:
    """Drop a file, get it scored on GPUs."""
    from dropscore.cli.given import give

    give(url, key)
    if version:
        from dropscore import __version__

        typer.echo(f"dropscore {__version__}")
        raise typer.Exit


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def up(context: typer.Context, debug: Debug = False) -> None:
    """Start the local cloud in this terminal.

    It is every Azure service that dropscore uses, on this machine, with the models that come with dropscore in its
    storage; Ctrl-C stops it. Further options are those of `python -m localcloud up`, such as --detach.
    """
    from dropscore.cli.local import SHIP_MODELS, local_cloud
    from dropscore.cli.session import open_session

    with open_session(as_json=False, debug=debug):
        raise typer.Exit(local_cloud("up", "--after-start", SHIP_MODELS, *context.args))


@app.command()
def down(debug: Debug = False) -> None:
    """Stop the local cloud of this folder."""
    from dropscore.cli.local import local_cloud
    from dropscore.cli.session import open_session

    with open_session(as_json=False, debug=debug):
        raise typer.Exit(local_cloud("down"))


@app.command(epilog=RUN_EXAMPLES)
def run(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Files or folders to upload; inputs:NAME for a blob that is there."),
    ],
    *,
    workload: Annotated[str, typer.Option("--workload", "-w", help="What to do, such as style_transfer.")],
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="NAME=VALUE", help="An option of the workload; NAME=@FILE uploads a file for it."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="name, name@version or name@alias of a model.")] = None,
    lane: Annotated[str | None, typer.Option(help="urgent, normal or offpeak.")] = None,
    note: Annotated[str | None, typer.Option(help="Free text, shown with the run.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key with the same request is the same run.")
    ] = None,
    trigger: Annotated[
        bool, typer.Option("--trigger", help="Start it by dropping a trigger file, not by the API.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Upload files and have them scored."""
    from dropscore.cli.session import open_session
    from dropscore.cli.start import StartArguments, start_run

    asked = {"model": model, "lane": lane, "note": note, "key": key}
    arguments = StartArguments(
        files=files, workload=workload, options=option or (), trigger=trigger, watch=watch, **asked
    )
    with open_session(as_json=json, debug=debug) as session:
        raise typer.Exit(start_run(session, arguments))


@app.command()
def runs(
    status: Annotated[str | None, typer.Option(help="Runs of this status alone.")] = None,
    workload: Annotated[str | None, typer.Option(help="Runs of this workload alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 20,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List runs, the newest first."""
    from dropscore.cli.inspect import list_runs
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        list_runs(session, status=status, workload=workload, most=limit)


@app.command()
def show(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Show one run."""
    from dropscore.cli.inspect import show_run
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        show_run(session, run)


@app.command()
def watch(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Follow a run to its end. Ctrl-C stops watching, not the run."""
    from dropscore.cli.finding import find_run
    from dropscore.cli.session import open_session
    from dropscore.cli.watch import watch_run

    with open_session(as_json=json, debug=debug) as session:
        raise typer.Exit(watch_run(session, find_run(session.api(), run).state.run_id))


@app.command()
def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    actor: Annotated[str, typer.Option(help="Only of actors whose name holds this: plan, stitch, a worker.")] = "",
    item: Annotated[int | None, typer.Option(min=0, help="Only about this item, or the shard that holds it.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print what every actor of a run has said, in the order of time."""
    from dropscore.cli.logs import show_logs
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        show_logs(session, run, actor=actor, item=item, follow=follow)


@app.command()
def cancel(run: Run, json: Json = False, debug: Debug = False) -> None:
    """Stop a run."""
    from dropscore.cli.inspect import cancel_run
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        cancel_run(session, run)


@app.command()
def download(
    run: Run,
    to: Annotated[Path | None, typer.Option(help="Folder; one named after the run when absent.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch the outputs, the report and the receipt of a run."""
    from dropscore.cli.download import download_run
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        download_run(session, run, to)


@models.command("list")
def models_list(json: Json = False, debug: Debug = False) -> None:
    """List models with their versions and aliases."""
    from dropscore.cli.models import list_models
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        list_models(session)


@models.command("show")
def models_show(
    model: Annotated[str, typer.Argument(help="name, name@version or name@alias.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show one version of a model."""
    from dropscore.cli.models import show_model
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        show_model(session, model)


@models.command("import", epilog=IMPORT_EXAMPLES)
def models_import(
    file: Annotated[Path, typer.Argument(help="Weights: a torch checkpoint or safetensors.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the model: a-z, 0-9 and . _ -")],
    architecture: Annotated[str, typer.Option(help="The network: transformer_net or vgg19.")] = "transformer_net",
    version: Annotated[str, typer.Option(help="Its version; a version never changes.")] = "1",
    title: Annotated[str, typer.Option(help="A title for people.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights, such as MIT.")] = "unknown",
    alias: Annotated[str, typer.Option(help="Alias that means this version from now on.")] = "stable",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a model package of a weight file and store it."""
    from dropscore.cli.models import import_weights
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        import_weights(
            session,
            file,
            name=name,
            architecture=architecture,
            version=version,
            title=title,
            licence=licence,
            alias=alias,
        )


@models.command("push-shipped")
def models_push_shipped(json: Json = False, debug: Debug = False) -> None:
    """Store the models that come with dropscore."""
    from dropscore.cli.models import push_shipped_models
    from dropscore.cli.session import open_session

    with open_session(as_json=json, debug=debug) as session:
        push_shipped_models(session)
