"""Runs whole local clouds, each in its own folder, on the sample app."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hosting import ROOT, SAMPLE_APP
from observing import Notes

from localcloud.home import Home, Ports, choose_ports

MARK = "SAMPLE_CLOUD"
"""Environment variable that every process of a cloud inherits."""


@dataclass(kw_only=True)
class LocalCloud:
    """A local cloud's supervisor, and what it has printed."""

    home: Home
    mark: str
    process: "subprocess.Popen[str]"
    notes: Notes
    lines: list[str] = field(default_factory=list)
    _reading: threading.Thread

    @property
    def written(self) -> dict[str, Any]:
        """What it wrote down for the command line."""
        try:
            return dict(json.loads(self.home.cloud_file.read_text()))
        except (OSError, ValueError):
            return {}

    @property
    def ready(self) -> bool:
        """Whether it says that it is."""
        assert self.process.poll() is None, "".join(self.lines)
        written = self.written
        return bool(written.get("ready")) and written["pid"] == self.process.pid and self.said("Ready in")

    def pid(self, name: str) -> int:
        """The present process of a service."""
        return int(self.written["processes"][name])

    def said(self, text: str) -> bool:
        """Whether a line that holds this text was printed."""
        return any(text in line for line in self.lines)

    def left(self) -> list[int]:
        """Processes of this cloud that are alive."""
        return marked(self.mark)

    def ended(self, limit_s: float = 30) -> int:
        """Wait for the supervisor's end; returns its exit code."""
        code = self.process.wait(limit_s)
        self._reading.join(limit_s)
        return code


def marked(mark: str) -> list[int]:
    """Living processes that carry a mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def command(home: Home, verb: str, *arguments: str) -> list[str]:
    """The command line of a verb for this folder."""
    return [sys.executable, "-m", "localcloud", verb, "--home", str(home.root), *arguments]


def up_arguments(home: Home, app: Path = SAMPLE_APP) -> list[str]:
    """What `up` needs to run the sample app."""
    settings = {
        "SAMPLE_NOTES": str(home.root / "notes.jsonl"),
        "SampleSchedule": "0 0 0 1 1 *",
        "SampleQueue": "run-events",
        "SampleContainer": "triggers",
    }
    return ["--app", str(app), "--after-start=", *(f"--set={name}={value}" for name, value in settings.items())]


def new_home(root: Path) -> Home:
    """A folder whose cloud will use free ports, beside whatever runs on this machine."""
    home = Home(root)
    root.mkdir(parents=True, exist_ok=True)
    home.ports_file.write_text(json.dumps(dict.fromkeys(asdict(Ports()), 0)))
    choose_ports(home)
    return home


@contextlib.contextmanager
def local_cloud(home: Home, *arguments: str, app: Path = SAMPLE_APP) -> Iterator[LocalCloud]:
    """Start a cloud and hand it over at once; whatever is left of it at the end is killed."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        command(home, "up", *up_arguments(home, app), *arguments),
        cwd=ROOT,
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reading.start()
    notes = Notes(home.root / "notes.jsonl")
    cloud = LocalCloud(home=home, mark=mark, process=process, notes=notes, lines=lines, _reading=reading)
    try:
        yield cloud
    finally:
        for pid in cloud.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        cloud.ended()
        if process.stdout is not None:
            process.stdout.close()
