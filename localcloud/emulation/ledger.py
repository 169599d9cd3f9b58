"""What happened, as JSON lines that are only ever appended: lifetimes of pools, nodes, tasks, groups, containers."""

import json
from pathlib import Path
from typing import Any

from localcloud.emulation.clock import Clock, instant


class Ledger:
    """An append-only file. Each line has `n` (from 1), `at` (UTC), `kind`, `id`, `event` and what else is known."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(path.read_bytes().rfind(b"\n") + 1)  # a line that was torn by a power cut
        self._count = len(self.lines())

    def note(self, kind: str, identity: str, event: str, **more: Any) -> None:
        """Append one line."""
        self._count += 1
        line = {"n": self._count, "at": instant(self._clock.now()), "kind": kind, "id": identity, "event": event}
        self._file.write(json.dumps(line | more).encode() + b"\n")

    def lines(self, *, since: int = 0) -> list[dict[str, Any]]:
        """The lines whose number is above `since`."""
        return [json.loads(line) for line in self._path.read_bytes().splitlines()[since:]]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
