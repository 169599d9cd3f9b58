"""Start and stop the local cloud: a program of its own, which this one only calls."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from dropscore.cli.exits import Exit
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

SHIP_MODELS: Final = shlex.join([sys.executable, "-m", "dropscore.cli", "models", "push-shipped"])
"""Run once the local cloud is up, so that the default model of every workload is there."""


def local_cloud(*arguments: str) -> Exit:
    """Run `python -m localcloud` with the arguments, in this terminal, to its end.

    Ctrl-C reaches both programs; this one waits until the local cloud has stopped everything.
    """
    if find_spec("localcloud") is None:
        raise FailedError.of(
            Code.SETTINGS_INVALID,
            "the local cloud is not installed beside this command",
            action="Run this from a checkout of dropscore, or set DROPSCORE_URL to a cloud that runs.",
        )
    return Exit.OK if _run([sys.executable, "-m", "localcloud", *arguments]) == 0 else Exit.ENVIRONMENT


def _run(command: Sequence[str]) -> int:
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
