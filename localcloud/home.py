"""The folder of one local cloud: where everything lies, and which ports it has.

.local/ cloud.json                 endpoints and settings, while it is up
        ports.json                 kept between starts, so that addresses written down earlier stay right
        supervisor.lock            held by the supervisor
        processes.lock             held by every process of the cloud
        azurite/ batch/ containers/ host/     each service's own files
        logs/                      one file for each process
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Loopback ports of the services. The defaults are those that tools of this trade expect."""

    host: int = 7071
    blob: int = 10000
    queue: int = 10001
    events: int = 10003
    batch: int = 10010
    containers: int = 10011


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one local cloud below `root`, an absolute path."""

    root: Path

    @classmethod
    def of(cls, folder: Path | None, variables: Mapping[str, str]) -> "Home":
        """The folder given, else the one named by `DROPSCORE_LOCAL`, else `.local`."""
        return cls((folder or Path(variables.get("DROPSCORE_LOCAL") or ".local")).resolve())

    def folder(self, name: str) -> Path:
        """The folder of a service."""
        return self.root / name

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.root / "logs" / f"{name}.log"

    @property
    def cloud_file(self) -> Path:
        """What the command line reads to find the cloud."""
        return self.root / "cloud.json"

    @property
    def settings_file(self) -> Path:
        """The settings of the Function app."""
        return self.root / "host" / "settings.json"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor alone; tells who it is."""
        return self.root / "supervisor.lock"

    @property
    def processes_lock(self) -> Path:
        """Held as long as any process of this cloud lives."""
        return self.root / "processes.lock"

    @property
    def ports_file(self) -> Path:
        """The ports of the last start."""
        return self.root / "ports.json"


def choose_ports(home: Home, *, host_port: int | None = None) -> Ports:
    """The ports of the last start, or the defaults; where one is taken by somebody else, a free one instead.

    To be called when no process of this cloud lives. Raises `OSError` when `host_port` is given and taken.
    """
    wanted = _kept(home)
    if host_port is not None:
        _bind(host_port).close()
        wanted = replace(wanted, host=host_port)
    chosen = Ports(**_free_ports(asdict(wanted)))
    write_private(home.ports_file, json.dumps(asdict(chosen)))
    return chosen


def _kept(home: Home) -> Ports:
    try:
        return Ports(**json.loads(home.ports_file.read_text()))
    except (OSError, ValueError, TypeError):
        return Ports()


def _free_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    """Hold every port until all are chosen, so that none is chosen twice."""
    held: dict[str, socket.socket] = {}
    try:
        for name, port in wanted.items():
            try:
                held[name] = _bind(port)
            except OSError:
                held[name] = _bind(0)
        return {name: holder.getsockname()[1] for name, holder in held.items()}
    finally:
        for holder in held.values():
            holder.close()


def _bind(port: int) -> socket.socket:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((HOST, port))
        holder.listen()  # only then is the port refused to everybody else
    except OSError:
        holder.close()
        raise
    return holder


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
