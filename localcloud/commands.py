"""The commands of the local cloud: up, down, status."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.azurite import AzuriteError
from localcloud.home import Home, choose_ports
from localcloud.locks import LockedError, exclusive
from localcloud.node import NodeError, azurite_modules, find_node, is_installed, tools_folder
from localcloud.services import prepare
from localcloud.supervisor import Supervisor
from localcloud.terminal import Terminal
from localcloud.weather.spec import SpecError

DETACHED_START_LIMIT_S = 900.0
"""Long enough for the first start on a machine, which installs Azurite."""
STOP_LIMIT_S = 60.0
OK, FAILED, NOT_AS_ASKED, INTERRUPTED = 0, 1, 3, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """How to start a cloud. `after_start` are commands to run once everything is up."""

    app: Path
    port: int | None = None
    nodes: int = 1
    settings: Mapping[str, str]
    ask_keys: bool = False
    after_start: tuple[tuple[str, ...], ...] = ()


def install() -> int:
    """Install what the cloud needs besides Python packages, if it is not there. Raises `NodeError`."""
    if not is_installed(tools_folder()):
        sys.stdout.write("Installing the storage emulator (Azurite); this is done once.\n")
        sys.stdout.flush()
        azurite_modules(find_node(), tools_folder())
    return OK


def up(home: Home, options: UpOptions) -> int:
    """Start everything and run until told to stop."""
    begun = time.monotonic()
    try:
        with exclusive(home.supervisor_lock, patience_s=0):
            _write_holder(home)
            # Processes of a supervisor that was killed may still be saving; their ports and files are theirs till then.
            with exclusive(home.processes_lock) as lock:
                return _run(home, options, lock, begun)
    except LockedError as error:
        holder = _holder(home)
        sys.stderr.write(f"{_running_text(home, holder) if holder else error}\n")
        return NOT_AS_ASKED
    except (NodeError, AzuriteError, SpecError, OSError) as error:
        sys.stderr.write(f"The local cloud did not start: {error}\n")
        return FAILED
    except KeyboardInterrupt:  # before there is anything to stop
        return INTERRUPTED


def _run(home: Home, options: UpOptions, lock: int, begun: float) -> int:
    install()
    ports = choose_ports(home, host_port=options.port)
    cloud = prepare(
        home, options.app, ports, nodes=options.nodes, overrides=options.settings, ask_keys=options.ask_keys
    )
    terminal = Terminal(home)
    try:
        supervisor = Supervisor(cloud, say=terminal.say, inherit=(lock,))
        return OK if asyncio.run(supervisor.run(after_start=options.after_start, begun=begun)) else FAILED
    finally:
        terminal.close()


def up_detached(home: Home, options: UpOptions) -> int:
    """Start everything in the background; returns once it is up."""
    if (holder := _holder(home)) is not None:
        sys.stderr.write(_running_text(home, holder) + "\n")
        return NOT_AS_ASKED
    output = home.log("detached")
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w") as file:
        command = [sys.executable, "-m", "localcloud", "up", "--home", str(home.root), *_arguments(options)]
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + DETACHED_START_LIMIT_S
    while started.poll() is None and time.monotonic() < deadline:
        if (written := _cloud_file(home)).get("ready") and written.get("pid") == started.pid:
            sys.stdout.write(output.read_text())
            return OK
        time.sleep(0.05)
    started.terminate()
    sys.stderr.write(output.read_text())
    return FAILED


def _arguments(options: UpOptions) -> list[str]:
    arguments = ["--app", str(options.app), "--nodes", str(options.nodes)]
    arguments += ["--port", str(options.port)] if options.port is not None else []
    arguments += ["--enable-auth"] if options.ask_keys else []
    arguments += [f"--set={name}={value}" for name, value in options.settings.items()]
    return arguments + [f"--after-start={shlex.join(command)}" for command in options.after_start or ((),)]


def down(home: Home) -> int:
    """Stop a running cloud and wait until nothing of it is left."""
    if (holder := _holder(home)) is None:
        sys.stdout.write(f"No local cloud is running in {home.root}.\n")
        return OK
    try:
        _end(int(holder["pid"]))
        with exclusive(home.processes_lock, patience_s=STOP_LIMIT_S):
            pass
    except (LockedError, TimeoutError):
        sys.stderr.write(f"The local cloud (process {holder['pid']}) has not ended in {STOP_LIMIT_S:.0f} s.\n")
        return FAILED
    sys.stdout.write("The local cloud is down.\n")
    return OK


def _end(pid: int) -> None:
    """Ask a process to end, and wait for it. Raises `TimeoutError`."""
    try:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT_S
        while _lives(pid):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.02)
    except ProcessLookupError:
        return


def _lives(pid: int) -> bool:
    """Whether a process runs; on Linux, one that has ended and waits to be reaped does not."""
    os.kill(pid, 0)
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def status(home: Home) -> int:
    """Print what is running."""
    if (holder := _holder(home)) is None:
        sys.stdout.write(f"No local cloud is running in {home.root}.\n")
        return NOT_AS_ASKED
    sys.stdout.write(_running_text(home, holder) + "\n")
    for name, pid in _cloud_file(home).get("processes", {}).items():
        sys.stdout.write(f"  {name:<10}  process {pid}\n")
    return OK


def _holder(home: Home) -> dict[str, Any] | None:
    """Who holds the supervisor's lock; None when nobody does, whatever a supervisor that was killed has left."""
    if not home.supervisor_lock.exists():
        return None
    try:
        with exclusive(home.supervisor_lock, patience_s=0):
            return None
    except LockedError:
        return _written(home.supervisor_lock) or None


def _write_holder(home: Home) -> None:
    """Write into the lock who holds it. The file itself stays, as the lock is on it."""
    home.supervisor_lock.write_text(
        json.dumps({"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})
    )


def _running_text(home: Home, holder: Mapping[str, Any]) -> str:
    address = _cloud_file(home).get("api_url", "starting")
    return f"The local cloud in {home.root} is running: {address} (process {holder['pid']}, since {holder['since']})."


def _cloud_file(home: Home) -> dict[str, Any]:
    return _written(home.cloud_file)


def _written(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is none."""
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
