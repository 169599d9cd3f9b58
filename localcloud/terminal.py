"""Where the lines of the local cloud go: to the terminal, and to one log file for each process."""

import sys
from pathlib import Path
from typing import IO

from localcloud.home import Home

LOG_LIMIT_BYTES = 10 << 20
"""A log larger than this at start is put aside as `.1`, in the place of the last one put aside."""


class Terminal:
    """Takes lines by process. A process's own lines stand behind its name; ours stand alone."""

    def __init__(self, home: Home, *, out: IO[str] = sys.stdout) -> None:
        self._home = home
        self._out: IO[str] | None = out
        self._logs: dict[str, IO[str]] = {}

    def say(self, name: str, line: str) -> None:
        """Print a line and write it to the log of its process."""
        shown = line if name == "cloud" else f"{name:<10} | {line}"
        if self._out is not None:
            try:
                self._out.write(shown + "\n")
                self._out.flush()
            except OSError:
                self._out = None  # the terminal is gone; the logs go on
        log = self._logs.get(name) or self._open(name)
        log.write(line + "\n")
        log.flush()

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs.values():
            log.close()

    def _open(self, name: str) -> IO[str]:
        path = self._home.log(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        put_aside(path)
        self._logs[name] = path.open("a")
        return self._logs[name]


def put_aside(path: Path) -> None:
    """Begin a new log if this one has grown too large."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
