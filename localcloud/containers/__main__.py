"""Start the Container Instances emulator: `python -m localcloud.containers --port N --state DIR`.

It prints one line with its URL as soon as it listens, and serves until SIGTERM or SIGINT.
"""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from localcloud.containers.engine import open_engine
from localcloud.containers.http.service import containers_service
from localcloud.containers.settings import Settings
from localcloud.emulation.clock import SystemClock
from localcloud.emulation.documents import Documents, StateInUseError
from localcloud.emulation.logs import log_to_stderr
from localcloud.emulation.programs import read_environment_file
from localcloud.emulation.server import Service, address_of, bind, serve


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localcloud.containers", description="Emulator of Azure Container Instances."
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 (default) takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="folder for everything that outlives the process")
    parser.add_argument("--env-file", type=Path, help="NAME=value lines: extra environment of containers")
    parser.add_argument("--grace", type=float, default=5.0, metavar="S", help="seconds between SIGTERM and SIGKILL")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop. Returns 0, or exits with 2 when it could not start."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    log_to_stderr()
    try:
        environment = read_environment_file(arguments.env_file) if arguments.env_file else {}
        listener = bind(arguments.port)
        documents = Documents(arguments.state)
    except (ValueError, OSError, StateInUseError) as error:
        parser.error(str(error))
    settings = Settings(state=arguments.state, grace_s=arguments.grace, environment=environment)

    @contextlib.asynccontextmanager
    async def open_service() -> AsyncIterator[Service]:
        async with open_engine(settings, documents, SystemClock()) as engine:
            yield containers_service(engine)

    print(f"Container Instances emulator: {address_of(listener)}", flush=True)
    serve(listener, open_service)
    return 0


if __name__ == "__main__":
    sys.exit(main())
