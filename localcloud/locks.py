"""Locks on files: held by a process and by those that inherit them, and gone with the last of them."""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 15.0
"""How long to wait for a process that is still ending."""


class LockedError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def exclusive(path: Path, *, patience_s: float = PATIENCE_S) -> Iterator[int]:
    """Hold an exclusive lock on a file, made if needed; yields its descriptor, which children may inherit.

    Raises `LockedError` when somebody else keeps it for longer than `patience_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockedError(f"Another process is using {path.parent}.") from None
                time.sleep(0.02)
        yield file.fileno()
