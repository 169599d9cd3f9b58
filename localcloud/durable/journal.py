"""What the durable backend must know again after its process has died: an append-only file of JSON lines.

    {"start": id, "name": …, "input": …, "version": …, "tags": …, "at": …}     a top-level instance was scheduled
    {"end": id, "status": …, "output": …, "error": …, "at": …}                 it came to an end
    {"suspend": id} {"resume": id} {"terminate": id} {"purge": id}             somebody asked for it

A start is on the disk before its caller hears of it; the other lines survive the death of the process, and losing
one to a power cut costs a repetition, no more. The file is rewritten without what no longer matters when opened and
whenever more than half of it is of that kind.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

KEPT_ENDS = 10_000
"""Ended instances that are remembered, so that their ids stay taken; the oldest are forgotten first."""
SLACK_LINES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an instance ended. `status` is the name of an `OrchestrationStatus`, without its prefix."""

    status: str
    output: str | None = None
    error_type: str | None = None
    error: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A top-level orchestration instance: what it was started with and, if it has ended, how."""

    name: str
    input: str | None
    version: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    at: str = ""
    """When it was started, UTC ISO 8601."""
    suspended: bool = False
    end: End | None = None


class Journal:
    """The journal of one task hub. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, made if needed, and read what it holds."""
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._entries = _read(path)
        self._lines = 0
        self._file = path.open("ab")
        self._rewrite()

    def entries(self) -> dict[str, Entry]:
        """All remembered instances by id, in the order of their start."""
        with self._lock:
            return dict(self._entries)

    def started(self, instance_id: str, entry: Entry) -> None:
        """Note a start; call `sync` before telling anybody about it."""
        with self._lock:
            self._entries[instance_id] = entry
            self._append(_start_line(instance_id, entry))

    def sync(self) -> None:
        """Wait until everything noted so far is on the disk."""
        with self._lock:
            os.fsync(self._file.fileno())

    def ended(self, instance_id: str, end: End) -> None:
        """Note an end. Instances that were never noted (children of others) are left out."""
        with self._lock:
            if (entry := self._entries.get(instance_id)) is not None:
                self._entries[instance_id] = replace(entry, end=end)
                self._append({"end": instance_id, **asdict(end)})

    def asked(self, verb: str, instance_id: str) -> None:
        """Note that somebody asked to `suspend`, `resume`, `terminate` or `purge` an instance."""
        with self._lock:
            if instance_id in self._entries:
                line = {verb: instance_id}
                _apply(self._entries, line)
                self._append(line)

    def close(self) -> None:
        """Close the file; nothing may be noted afterwards."""
        with self._lock:
            self._file.close()

    def _append(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        self._lines += 1
        if self._lines > 4 * len(self._entries) + SLACK_LINES:
            self._rewrite()

    def _rewrite(self) -> None:
        """Write the remembered instances into a new file and put it in the place of the old one."""
        _forget_oldest(self._entries)
        lines = [line for instance_id, entry in self._entries.items() for line in _lines_of(instance_id, entry)]
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.writelines(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self._file.close()
        self._file = self._path.open("ab")
        self._lines = len(lines)


def _forget_oldest(entries: dict[str, Entry]) -> None:
    ended = [instance_id for instance_id, entry in entries.items() if entry.end is not None]
    for instance_id in ended[: max(0, len(ended) - KEPT_ENDS)]:
        del entries[instance_id]


def _lines_of(instance_id: str, entry: Entry) -> list[dict[str, Any]]:
    lines = [_start_line(instance_id, entry)]
    if entry.suspended:
        lines.append({"suspend": instance_id})
    if entry.end is not None:
        lines.append({"end": instance_id, **asdict(entry.end)})
    return lines


def _start_line(instance_id: str, entry: Entry) -> dict[str, Any]:
    kept = {"name": entry.name, "input": entry.input, "version": entry.version, "tags": dict(entry.tags)}
    return {"start": instance_id, **kept, "at": entry.at}


def _read(path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    if path.exists():
        for text in path.read_bytes().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # cut by the death of the process: nobody had been told of it
            _apply(entries, line)
    return entries


def _apply(entries: dict[str, Entry], line: dict[str, Any]) -> None:
    verb, instance_id = next(iter(line.items()))
    rest = {key: value for key, value in line.items() if key != verb}
    if verb == "start":
        entries[instance_id] = Entry(**rest)
    elif verb == "purge":
        entries.pop(instance_id, None)
    elif (entry := entries.get(instance_id)) is not None:
        entries[instance_id] = _changed(entry, verb, rest)


def _changed(entry: Entry, verb: str, rest: dict[str, Any]) -> Entry:
    match verb:
        case "end":
            return replace(entry, end=End(**rest))
        case "terminate":
            return replace(entry, end=entry.end or End(status="TERMINATED"))
        case _:
            return replace(entry, suspended=verb == "suspend")
