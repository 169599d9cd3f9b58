"""What the workload's processes did, as one file for each process: JSON lines, written before the next thing is done.

    {"at": seconds since 1970, "pid", "run", "shard", "first", "items", "event": "opened" | "scored" | "closed"}

`scored` tells the items of one batch, the others those of the shard or piece. A line is one write, so that what a
killed process did is all there.
"""

import json
import os
import threading
import time
from functools import cache
from pathlib import Path

MENDED = "mended"
"""A file of this name in the folder mends what is broken."""


class Journal:
    """One process's journal in a folder; without a folder nothing is written."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[int, int] = {}

    def note(self, event: str, *, shard: int, first: int, items: int) -> None:
        """Add a line."""
        if self._folder is None:
            return
        line = {"at": time.time(), "pid": os.getpid(), "event": event, "shard": shard, "first": first, "items": items}
        os.write(self._file(self._folder), json.dumps(line).encode() + b"\n")

    def first_time(self, item: int) -> bool:
        """Whether nobody has asked this of an item before."""
        if self._folder is None:
            return True
        try:
            (Path(self._folder) / f"once-{item}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    @property
    def mended(self) -> bool:
        """Whether what is broken has been mended."""
        return self._folder is not None and (Path(self._folder) / MENDED).exists()

    def _file(self, folder: str) -> int:
        """The file of this process: a forked one opens its own."""
        with self._lock:
            pid = os.getpid()
            if pid not in self._files:
                Path(folder).mkdir(parents=True, exist_ok=True)
                self._files[pid] = os.open(Path(folder) / f"{pid}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            return self._files[pid]


@cache
def journal_in(folder: str | None) -> Journal:
    """The journal of a folder."""
    return Journal(folder)
