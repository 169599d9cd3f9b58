"""From a command line to an argument list and an environment that run on this machine."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.weather.spec import VARIABLE

_OWN_INTERPRETER = frozenset({"python", "python3"})
_PASSED_ON = frozenset(
    {"HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONUTF8", "LD_LIBRARY_PATH"}
) | {VARIABLE}
_PASSED_ON_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "SSL_CERT_")


def split_command(command_line: str) -> tuple[str, ...]:
    """Split a command line into arguments, without a shell. Raises ValueError for open quotes or no word at all."""
    words = tuple(shlex.split(command_line))
    if not words:
        raise ValueError("the command line is empty")
    return words


def on_this_machine(argv: Sequence[str]) -> tuple[str, ...]:
    """Let `python` mean the interpreter that runs the emulator: it has the workers' packages."""
    program = sys.executable if argv[0] in _OWN_INTERPRETER else argv[0]
    return (program, *argv[1:])


def base_environment(own: Mapping[str, str]) -> dict[str, str]:
    """What a program sees of the emulator's environment `own`: what makes programs start here, no settings.

    The interpreter's folder stands first on PATH, so that `python` in a shell is the same one.
    """
    kept = {name: value for name, value in own.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)}
    folder = str(Path(sys.executable).parent)
    return kept | {"PATH": os.pathsep.join([folder, own.get("PATH", os.defpath)])}


def read_environment_file(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; blank lines and lines that begin with `#` are left out. Raises ValueError."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{path}, line {number}: expected NAME=value")
        found[name.strip()] = value
    return found
