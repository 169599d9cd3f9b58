"""Worker processes as Batch starts them, over the storage emulator."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toy_workload import HOLD_FILE

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_queue import connect_queue
from dropscore.cloud.azure_setup import create_containers_and_queues
from dropscore.cloud.connection import read_storage
from dropscore.cloud.environment import Environment
from dropscore.contracts.names import Account

ROOT = Path(__file__).resolve().parents[3]


class Storage:
    """The emulator, and how a worker finds it."""

    def __init__(self, settings: dict[str, str]) -> None:
        environment = Environment(settings)
        storages = {
            Account.DATA: read_storage(environment, "DataStorage"),
            Account.SYSTEM: read_storage(environment, "SystemStorage"),
        }
        create_containers_and_queues(storages)
        self.settings = settings
        self.blobs, self.queue = connect_blobs(storages), connect_queue(storages)


def register_toy(folder: Path) -> None:
    """Register the toy workload as an installed package would."""
    info = folder / "toy_workload-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-workload\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dropscore.workloads]\ntoy = toy_workload:TOY\n")


class WorkerProcess:
    """A keeper and its worker."""

    def __init__(self, storage: Storage, plugins: Path, folder: Path, name: str, settings: dict[str, str]) -> None:
        paths = (str(ROOT), str(Path(__file__).parent), str(plugins))
        environment = {
            **os.environ,
            **storage.settings,
            "PYTHONPATH": os.pathsep.join(paths),
            "WORKER_NAME": name,
            "WORKER_DEVICE": "cpu",
            HOLD_FILE: str(folder / "let-go"),
            **settings,
        }
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.keeper = subprocess.Popen([sys.executable, "-m", "gpu_worker"], env=environment, stderr=log)

    @property
    def life(self) -> int | None:
        """Process id of the life under way; None between two."""
        pids = children(self.keeper.pid)
        return pids[0] if pids else None

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def actions(self) -> list[object]:
        """The actions it logged, in order."""
        return [line.get("action") for line in self.lines()]

    def end(self) -> None:
        """Kill what is left."""
        self.keeper.kill()
        self.keeper.wait()


def children(pid: int) -> Sequence[int]:
    """Processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
