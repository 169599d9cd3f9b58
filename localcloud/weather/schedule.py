"""Which request meets which fault: drawn from the seed, the same each time.

Requests of one kind (such as `blob.put`) have a sequence of their own: the third `blob.put` of the first worker meets
the same fault in every repetition, whatever its other threads did meanwhile. A process that is started again goes on
with the sequences of its next number, so that it does not die of the same fault for ever.
"""

import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from localcloud.weather.spec import Kind, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that a request meets. `share` is a number from 0 to 1 to decide what is left open, such as where a body
    is cut.
    """

    kind: Kind
    share: float


class Schedule:
    """The weather of one process. Safe to share between threads, and across a fork."""

    def __init__(self, spec: Spec, *, role: str, number: int | None = None) -> None:
        self.spec = spec
        self._role = role
        self._given = number
        self._log: Path | None = None
        self._lock = threading.Lock()
        self._begin()

    def fault(self, kind: str, target: str) -> Fault | None:
        """The fault that the next request of this kind meets; None when it gets through."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            random = self._sequence(kind)
            meets, which, share = random.random() < self.spec.rate, random.choice(self.spec.kinds), random.random()
        fault = self._outage() or (Fault(kind=which, share=share) if meets else None)
        if fault is not None:
            self._note(kind, target, fault)
        return fault

    def _begin(self) -> None:
        """Take a number: in a child that was forked, a new one."""
        self._pid = os.getpid()
        self._sequences: dict[str, Random] = {}
        self._number = self._given or 0
        if self.spec.folder is not None:
            self._number, self._log = _numbered(self.spec.folder, self._role)

    def _sequence(self, kind: str) -> Random:
        if kind not in self._sequences:
            self._sequences[kind] = Random(f"{self.spec.seed}/{self._role}/{self._number}/{kind}")
        return self._sequences[kind]

    def _outage(self) -> Fault | None:
        if self.spec.outage is None:
            return None
        try:
            said = self.spec.outage.read_text().strip()
        except OSError:
            return None
        return Fault(kind=Kind(said or Kind.REFUSE), share=0.5)

    def _note(self, kind: str, target: str, fault: Fault) -> None:
        if self._log is None:
            return
        line = {"at": time.time(), "request": kind, "target": target, "fault": fault.kind.value}
        with self._lock, self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")


def role_of_this_process() -> str:
    """What this process does, in words that do not change from run to run: `gpu_worker`, `cpu_worker-plan`."""
    words = sys.orig_argv[1:]
    if "-m" in words:
        words = words[words.index("-m") + 1 :]
        return "-".join([words[0], *(words[1:2] if words[0] == "cpu_worker" else ())])
    return Path(words[0]).stem if words and not words[0].startswith("-") else "python"


def _numbered(folder: Path, role: str) -> tuple[int, Path]:
    """The first number that no process of this role has taken yet, and its file."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / f"{role}-{number}.jsonl"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return number, path
