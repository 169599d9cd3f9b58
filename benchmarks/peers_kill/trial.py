"""What all systems go through: the items with their times, and when which worker is killed."""

import itertools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One seed. Times are seconds."""

    seed: int
    items: int = 200
    kills: int = 30
    workers: int = 3
    mean_s: float = 0.8
    least_pause_s: float = 1.8
    most_pause_s: float = 2.6
    cap_s: float = 220.0
    """What is not done by then is unfinished."""

    def work_s(self) -> list[float]:
        """How long each item takes: half to one and a half times the mean."""
        random = Random(f"work/{self.seed}")
        return [self.mean_s * random.uniform(0.5, 1.5) for _ in range(self.items)]

    def deaths(self) -> list[tuple[float, int]]:
        """When a worker is killed, counted from the start of the work, and which."""
        random = Random(f"kills/{self.seed}")
        pauses = [random.uniform(self.least_pause_s, self.most_pause_s) for _ in range(self.kills)]
        return [(at, random.randrange(self.workers)) for at in itertools.accumulate(pauses)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a system did."""

    system: str
    seed: int
    items: int
    unfinished: int
    run_again: int
    """Items begun more than once."""
    wall_s: float | None
    """None: not done at the cap."""
    last_s: float
    """When the last item was done."""
    kills: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Notes:
    """What workers wrote down: one file for each process, lines of `{"at", "item", "event": "begun" | "done"}`."""

    folder: Path

    def done(self) -> dict[int, float]:
        """When each item was done for the first time, in seconds since 1970."""
        first: dict[int, float] = {}
        for line in self._lines():
            if line["event"] == "done":
                item, at = int(line["item"]), float(line["at"])
                first[item] = min(at, first.get(item, at))
        return first

    def begun_again(self) -> int:
        """Items that were begun more than once."""
        begun = Counter(line["item"] for line in self._lines() if line["event"] == "begun")
        return sum(count > 1 for count in begun.values())

    def _lines(self) -> list[dict[str, float | str]]:
        texts = [file.read_text() for file in self.folder.glob("*.jsonl")]
        return [json.loads(line) for text in texts for line in text.splitlines()]
