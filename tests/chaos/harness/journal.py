"""What the workload's processes did in one run, read from their journal."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: `items` from `first` on, of a shard or piece, were `opened`, `scored` or `closed` by a process."""

    at: float
    pid: int
    event: str
    shard: int
    first: int
    items: int

    @property
    def range(self) -> tuple[int, int, int]:
        """What was worked on."""
        return self.shard, self.first, self.items


@dataclass(frozen=True, slots=True)
class History:
    """All entries of a run, in the order of their times."""

    entries: tuple[Entry, ...]

    @classmethod
    def read(cls, folder: Path) -> "History":
        """Read a journal; empty when nothing was worked on."""
        found = [entry for file in folder.glob("*.jsonl") for entry in _entries(file)]
        return cls(tuple(sorted(found, key=lambda entry: entry.at)))

    @property
    def scored_again(self) -> int:
        """Items scored more than once, each further time counted."""
        times = Counter(entry.first for entry in self.entries if entry.event == "scored")
        return sum(count - 1 for count in times.values())

    @property
    def executed_twice(self) -> int:
        """Shards and pieces that more than one process worked on to the end."""
        who = defaultdict[tuple[int, int, int], list[int]](list)
        for entry in self.entries:
            if entry.event == "closed":
                who[entry.range].append(entry.pid)
        return sum(len(pids) > 1 for pids in who.values())

    @property
    def opened_again(self) -> set[tuple[int, int, int]]:
        """Shards and pieces that were begun more than once."""
        times = Counter(entry.range for entry in self.entries if entry.event == "opened")
        return {one for one, count in times.items() if count > 1}

    def at_work(self, pid: int, at: float) -> set[tuple[int, int, int]]:
        """What a process had opened and not closed at a time."""
        open_now = set[tuple[int, int, int]]()
        for entry in self.entries:
            if entry.pid == pid and entry.at <= at:
                if entry.event == "opened":
                    open_now.add(entry.range)
                elif entry.event == "closed":
                    open_now.discard(entry.range)
        return open_now

    def taken_up(self, work: tuple[int, int, int], *, after: float, not_by: Iterable[int]) -> float | None:
        """When another process opened the same work, or a part of it, after a time."""
        others = set(not_by)
        shard, first, items = work
        for entry in self.entries:
            inside = entry.shard == shard and first <= entry.first < first + items
            if entry.event == "opened" and inside and entry.at > after and entry.pid not in others:
                return entry.at
        return None


def _entries(file: Path) -> Iterator[Entry]:
    for line in file.read_text().splitlines():
        yield Entry(**json.loads(line))
