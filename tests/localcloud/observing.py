"""What the local cloud's tests look at from outside: processes that are alive, and what a sample app noted."""

import json
from pathlib import Path
from typing import Any


def is_running(pid: int) -> bool:
    """Whether a process is alive; one that has ended but is not yet waited for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Notes:
    """What the sample app wrote down, oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self, kind: str | None = None, **facts: Any) -> list[dict[str, Any]]:
        """The notes of one kind that hold these facts."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        notes = [json.loads(line) for line in lines]
        fitting = [note for note in notes if kind is None or note["kind"] == kind]
        return [note for note in fitting if all(note.get(name) == value for name, value in facts.items())]
