"""`python -m localcloud up | down | status | install`: the whole cloud on one machine."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud.commands import UpOptions, down, install, status, up, up_detached
from localcloud.home import Home

# The product brings its own things into storage, as it would in Azure after a deployment.
AFTER_START = ("python -m dropscore.cli models push-shipped",)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 failed, 2 misused, 3 not as asked (already up, not up),
    130 interrupted before anything ran.
    """
    options = _parser().parse_args(arguments)
    home = Home.of(options.home, os.environ)
    match options.command:
        case "up":
            wanted = _up_options(options)
            return up_detached(home, wanted) if options.detach else up(home, wanted)
        case "down":
            return down(home)
        case "install":
            return install()
        case _:
            return status(home)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="start everything; Ctrl-C stops it")
    up_parser.add_argument("--detach", action="store_true", help="return once everything is up")
    up_parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py (default: here)")
    up_parser.add_argument(
        "--port", type=int, help="port of the Functions host (default: 7071 or that of the last start)"
    )
    up_parser.add_argument("--nodes", type=int, default=1, help="nodes of the pool: workers at once (default: 1)")
    up_parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the Function app; repeatable"
    )
    up_parser.add_argument("--enable-auth", action="store_true", help="ask callers for a key, as Azure does")
    up_parser.add_argument(
        "--after-start",
        action="append",
        metavar="COMMAND",
        help=f"run once everything is up; repeatable, '' for nothing (default: {AFTER_START[0]})",
    )
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("status", help="say what is running")
    commands.add_parser("install", help="install Azurite now, not at the first start")
    for command in commands.choices.values():
        command.add_argument("--home", type=Path, help="folder of the cloud (default: DROPSCORE_LOCAL or .local)")
    return parser


def _up_options(options: argparse.Namespace) -> UpOptions:
    settings = dict(_setting(text) for text in options.set)
    return UpOptions(
        app=options.app.resolve(),
        port=options.port,
        nodes=options.nodes,
        settings=settings,
        ask_keys=options.enable_auth,
        after_start=tuple(tuple(shlex.split(command)) for command in _after_start(options) if command),
    )


def _after_start(options: argparse.Namespace) -> Sequence[str]:
    return AFTER_START if options.after_start is None else options.after_start


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise SystemExit(f"--set takes NAME=VALUE, not {text!r}.")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
