"""One local cloud on the real app, in a folder of its own, which may be killed and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.processes import MARK, Process, Role, kill_all, processes_of
from localcloud.home import Home, Ports, choose_ports

ROOT = Path(__file__).resolve().parents[3]
CHAOS = ROOT / "tests" / "chaos"
WORKLOAD = os.pathsep.join((str(CHAOS / "workload"), str(CHAOS / "installed")))
"""The workload and, in another folder, what registers it: the tests' own process must not know it as installed."""
START_LIMIT_S = 90.0
"""For a machine under load."""


class CloudError(AssertionError):
    """The cloud did not do what it must."""


@dataclass(kw_only=True)
class Cloud:
    """A local cloud. `nodes` is how many workers run at once, `weather` the line of its storage faults."""

    home: Home
    nodes: int = 2
    weather: str = "rate=0"
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    lines: list[str] = field(default_factory=list)
    """What all its supervisors have printed."""
    _process: "subprocess.Popen[str] | None" = None
    _reading: threading.Thread | None = None

    @classmethod
    def at(cls, folder: Path, *, nodes: int = 2, weather: str = "rate=0") -> "Cloud":
        """A cloud in a folder, on free ports, beside whatever runs on this machine."""
        home = Home(folder.resolve())
        home.root.mkdir(parents=True, exist_ok=True)
        home.ports_file.write_text(json.dumps(dict.fromkeys(Ports.__dataclass_fields__, 0)))
        choose_ports(home)
        return cls(home=home, nodes=nodes, weather=weather)

    def up(self) -> None:
        """Start it, and wait until it is ready."""
        self.join()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "localcloud", "up", "--home", str(self.home.root), *self._arguments()],
            cwd=ROOT,
            env={**os.environ, MARK: self.mark, "PYTHONPATH": WORKLOAD, "DROPSCORE_FAULTS": self._weather()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reading = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reading.start()
        wait_for(self._is_ready, within_s=START_LIMIT_S, what="the local cloud is ready", why=self.tail)

    def down(self) -> None:
        """Stop it as a user does, and hold it to leaving no process behind."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        wait_for(self._has_ended, within_s=60, what="the local cloud is down", why=self.tail)
        self.join()
        wait_for(lambda: not self.processes(), within_s=5, what="no process is left", why=lambda: str(self.processes()))

    def kill_everything(self) -> None:
        """End whatever is left, without asking."""
        kill_all(self.processes())
        self.join()

    def join(self) -> None:
        """Forget a supervisor that has ended."""
        if self._process is not None:
            self._process.wait(60)
            assert self._reading is not None
            self._reading.join(60)
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._process = self._reading = None

    def processes(self, *roles: Role) -> list[Process]:
        """Its living processes, of these roles if any are named."""
        found = processes_of(self.home.root, self.mark)
        return [process for process in found if not roles or process.role in roles]

    @property
    def written(self) -> dict[str, Any]:
        """What it wrote down for the command line; empty while it is not up."""
        try:
            return dict(json.loads(self.home.cloud_file.read_text()))
        except (OSError, ValueError):
            return {}

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the Function app."""
        values: dict[str, str] = json.loads(self.home.settings_file.read_text())["Values"]
        return values

    @property
    def outage_file(self) -> Path:
        """While it exists, no process reaches storage."""
        return self.home.root / "outage"

    @property
    def url(self) -> str:
        """The address of the Functions host."""
        return f"http://127.0.0.1:{json.loads(self.home.ports_file.read_text())['host']}"

    def tail(self) -> str:
        """The last it printed."""
        return "".join(self.lines[-40:])

    def _weather(self) -> str:
        return f"{self.weather},outage={self.outage_file}"

    def _arguments(self) -> list[str]:
        return ["--app", str(ROOT), "--nodes", str(self.nodes), "--after-start="]

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise CloudError(f"the local cloud ended with {self._process.returncode}:\n{self.tail()}")
        written = self.written
        return bool(written.get("ready")) and written["pid"] == self._process.pid

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _read(self, process: "subprocess.Popen[str]") -> None:
        self.lines.extend(process.stdout or ())


@contextlib.contextmanager
def running_cloud(folder: Path, *, nodes: int = 2, weather: str = "rate=0") -> Iterator[Cloud]:
    """A cloud that is up; afterwards nothing of it is left, whatever happened."""
    cloud = Cloud.at(folder, nodes=nodes, weather=weather)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.kill_everything()


def wait_for(
    condition: Callable[[], object], *, within_s: float, what: str, why: Callable[[], str] = str, every_s: float = 0.05
) -> float:
    """Wait until something is so; returns the seconds it took. Raises `CloudError` with `why` when it never is."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            raise CloudError(f"not within {within_s:g} s: {what}. {why()}")
        time.sleep(every_s)
    return time.monotonic() - began
