"""Runs the peers: their virtual environment, their broker, their workers, and the kills."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers_kill.trial import Notes, Outcome, Trial

HERE = Path(__file__).parent
PACKAGES = ("celery[redis]==5.7.0", "dramatiq[redis]==2.2.1")
ENVIRONMENT = Path(__file__).parents[2] / ".local" / "peers"
START_LIMIT_S = 60.0


class UnavailableError(Exception):
    """The peers cannot run here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A system with its settings."""

    title: str
    system: str
    tuned: bool

    def worker(self, python: Path, slot: int) -> list[str]:
        """The command line of one worker that does one item at a time."""
        if self.system == "celery":
            options = ["--concurrency=1", f"--hostname=worker{slot}@%h", "--loglevel=ERROR"]
            return [str(python), "-m", "celery", "-A", "peer_app:celery_app", "worker", *options]
        return [str(python), "-m", "dramatiq", "peer_app", "--processes", "1", "--threads", "1"]


PEERS = (
    Peer(title="Celery 5.7.0, Redis, defaults", system="celery", tuned=False),
    Peer(title="Celery, late ack + reject-on-lost, prefetch 1, visibility 4 s", system="celery", tuned=True),
    Peer(title="Dramatiq 2.2.1, Redis, defaults (60 s heartbeat)", system="dramatiq", tuned=False),
    Peer(title="Dramatiq, 4 s heartbeat, maintenance every call", system="dramatiq", tuned=True),
)


def peers_python() -> Path:
    """The Python that has the peers' packages; installed on the first call. Raises `UnavailableError`."""
    python = ENVIRONMENT / "bin" / "python"
    if shutil.which("redis-server") is None:
        raise UnavailableError("there is no redis-server (Debian: apt-get install redis-server)")
    if (ENVIRONMENT / ".ready").exists():
        return python
    steps = ([sys.executable, "-m", "venv", str(ENVIRONMENT)], [str(python), "-m", "pip", "install", "-q", *PACKAGES])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnavailableError(f"the peers could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    (ENVIRONMENT / ".ready").touch()
    return python


def run_peer(peer: Peer, trial: Trial) -> Outcome:
    """One system through one trial."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, redis() as broker:
        notes = Path(folder) / "notes"
        notes.mkdir()
        own = {"PEER_SYSTEM": peer.system, "PEER_TUNED": str(int(peer.tuned)), "PEER_BROKER": broker}
        workers = Workers(peer, peers_python(), {**os.environ, **own, "PEER_NOTES": str(notes)}, Path(folder))
        with workers.running(trial.workers):
            workers.send(trial.work_s())
            return watch(peer, trial, workers, Notes(notes))


def watch(peer: Peer, trial: Trial, workers: "Workers", notes: Notes) -> Outcome:
    """Kill as the trial says, from the first item on, until all is done or the time is up."""
    limit = time.monotonic() + START_LIMIT_S
    while not notes.folder.glob("*.jsonl") or not any(notes.folder.iterdir()):
        if time.monotonic() > limit:
            raise UnavailableError(f"no worker of {peer.title} began: {workers.said()}")
        time.sleep(0.02)
    began, deaths, killed = time.time(), trial.deaths(), 0
    while len(notes.done()) < trial.items and time.time() - began < trial.cap_s:
        if killed < len(deaths) and time.time() - began >= deaths[killed][0]:
            workers.kill(deaths[killed][1])
            killed += 1
        time.sleep(0.02)
    done = notes.done()
    last_s = max(done.values(), default=began) - began
    return Outcome(
        system=peer.title,
        seed=trial.seed,
        items=trial.items,
        unfinished=trial.items - len(done),
        run_again=notes.begun_again(),
        wall_s=last_s if len(done) == trial.items else None,
        last_s=last_s,
        kills=killed,
    )


class Workers:
    """The workers of one peer, each in a process group of its own, and started again when killed."""

    def __init__(self, peer: Peer, python: Path, environment: dict[str, str], folder: Path) -> None:
        self._peer = peer
        self._python = python
        self._environment = environment
        self._log = folder / "workers.log"
        self._slots: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def running(self, count: int) -> Iterator[None]:
        """So many workers, for as long as the block."""
        try:
            self._slots = [self._start(slot) for slot in range(count)]
            yield
        finally:
            for slot in range(len(self._slots)):
                self._end(slot)

    def kill(self, slot: int) -> None:
        """End a worker with all it started, and start another in its place."""
        self._end(slot)
        self._slots[slot] = self._start(slot)

    def send(self, work_s: Sequence[float]) -> None:
        """Send all items."""
        text = json.dumps(list(work_s))
        subprocess.run(
            [str(self._python), "-m", "peer_app"], input=text, text=True, cwd=HERE, env=self._environment, check=True
        )

    def said(self) -> str:
        """The last that the workers printed."""
        return self._log.read_text()[-2000:]

    def _start(self, slot: int) -> "subprocess.Popen[bytes]":
        command = self._peer.worker(self._python, slot)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=HERE, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def _end(self, slot: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._slots[slot].pid, signal.SIGKILL)
        self._slots[slot].wait()


@contextmanager
def redis() -> Iterator[str]:
    """A broker of its own on a free port of this machine, that keeps nothing on disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"]
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
