"""`python -m localcloud.host --app FOLDER --settings FILE --state FOLDER`: run a function app on this machine."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from localcloud.host.config import ConfigError, read_settings
from localcloud.host.queues import LEASE_S
from localcloud.host.run import HostOptions, run_host
from localcloud.host.runtime import AppError
from localcloud.locks import LockedError


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code, 0 after an orderly end."""
    arguments = _parser().parse_args()
    _configure_logging(verbose=arguments.verbose)
    try:
        options = HostOptions(
            app=arguments.app.resolve(),
            state=arguments.state.resolve(),
            settings=read_settings(arguments.settings),
            port=arguments.port,
            events_url=arguments.events,
            ask_keys=arguments.enable_auth,
            message_lease_s=arguments.message_lease,
        )
        asyncio.run(run_host(options, say=_say))
    except (ConfigError, AppError, LockedError, OSError) as error:
        sys.stderr.write(f"The host could not start: {error}\n")
        return 1
    # Threads of the app that are still busy would hold the interpreter up; their work is done again by the next host.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud.host", description="Run a function app locally.")
    parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py and host.json")
    parser.add_argument("--settings", type=Path, required=True, help="JSON file of application settings")
    parser.add_argument("--state", type=Path, required=True, help="folder of the host's own files")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--events", help="address of the storage emulator's events")
    parser.add_argument("--enable-auth", action="store_true", help="ask for function keys")
    parser.add_argument("--message-lease", type=int, default=LEASE_S, help="seconds a queue message is held at a time")
    parser.add_argument("--verbose", action="store_true", help="log everything")
    return parser


def _configure_logging(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    # A line for each request and each durable message would bury everything else.
    for chatty in ("azure", "durabletask", "urllib3", "asyncio", "azure.durable_functions"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
