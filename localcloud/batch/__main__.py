"""Start the Batch emulator: `python -m localcloud.batch --port N --state DIR [--account NAME --key BASE64]`.

It prints one line with its URL as soon as it listens, and serves until SIGTERM or SIGINT.
"""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from localcloud.batch.engine.engine import open_engine
from localcloud.batch.http.service import batch_service
from localcloud.batch.http.signature import check_key
from localcloud.batch.settings import Settings
from localcloud.emulation.clock import SystemClock
from localcloud.emulation.documents import Documents, StateInUseError
from localcloud.emulation.logs import log_to_stderr
from localcloud.emulation.programs import read_environment_file
from localcloud.emulation.server import Service, address_of, bind, serve


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud.batch", description="Emulator of Azure Batch.")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 (default) takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="folder for everything that outlives the process")
    parser.add_argument("--account", default="localbatch", help="name of the Batch account (default: %(default)s)")
    parser.add_argument("--key", help="base64 key of the account; without it requests need no signature")
    parser.add_argument("--nodes", type=int, default=1, help="nodes of all pools together (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=1, help="slots of each node at most (default: %(default)s)")
    parser.add_argument("--env-file", type=Path, help="NAME=value lines: extra environment of tasks")
    parser.add_argument(
        "--autoscale-interval", type=float, default=1.0, metavar="S", help="seconds between evaluations"
    )
    parser.add_argument("--boot-time", type=float, default=0.0, metavar="S", help="seconds until a node is up")
    parser.add_argument("--grace", type=float, default=5.0, metavar="S", help="seconds between SIGTERM and SIGKILL")
    return parser


def _settings(arguments: argparse.Namespace, url: str) -> Settings:
    if arguments.key is not None:
        check_key(arguments.key)
    if arguments.nodes < 0 or arguments.slots < 1 or arguments.autoscale_interval <= 0:
        raise ValueError("--nodes must be 0 or more, --slots 1 or more, --autoscale-interval more than 0")
    return Settings(
        state=arguments.state,
        url=url,
        account=arguments.account,
        key=arguments.key,
        nodes=arguments.nodes,
        slots=arguments.slots,
        autoscale_interval=timedelta(seconds=arguments.autoscale_interval),
        boot_s=arguments.boot_time,
        grace_s=arguments.grace,
        environment=read_environment_file(arguments.env_file) if arguments.env_file else {},
    )


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop. Returns 0, or exits with 2 when it could not start."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    log_to_stderr()
    try:
        listener = bind(arguments.port)
        settings = _settings(arguments, address_of(listener))
        documents = Documents(settings.state)
    except (ValueError, OSError, StateInUseError) as error:
        parser.error(str(error))

    @contextlib.asynccontextmanager
    async def open_service() -> AsyncIterator[Service]:
        async with open_engine(settings, documents, SystemClock()) as engine:
            yield batch_service(engine)

    print(f"Batch emulator: {settings.url}", flush=True)
    serve(listener, open_service)
    return 0


if __name__ == "__main__":
    sys.exit(main())
