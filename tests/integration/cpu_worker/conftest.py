"""A storage emulator, a container's surroundings, and a run of words."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from container_processes import WORDS, Container
from word_run import RUN, WordRun

from dropscore.cloud.azure_setup import create_containers_and_queues
from dropscore.cloud.clock import SystemClock
from dropscore.cloud.connect import connect_storage
from dropscore.cloud.connection import read_storage
from dropscore.cloud.environment import Environment
from dropscore.cloud.ports import Cloud
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account, ContainerName, QueueName
from localcloud.azurite import running_azurite
from localcloud.node import NodeError


@dataclass
class Emulated:
    """The emulator: our own connection to it, and the settings that processes get."""

    cloud: Cloud
    settings: dict[str, str]


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    try:
        with running_azurite(tmp_path_factory.mktemp("azurite")) as endpoints:
            environment = Environment(endpoints.settings)
            data, system = read_storage(environment, "DataStorage"), read_storage(environment, "SystemStorage")
            environment.check()
            create_containers_and_queues({Account.DATA: data, Account.SYSTEM: system})
            yield Emulated(cloud=connect_storage(data, system), settings=dict(endpoints.settings))
    except NodeError as error:
        pytest.skip(f"no storage emulator: {error}")


@pytest.fixture
def container(emulated: Emulated, repository: Path, tmp_path: Path) -> Container:
    """A container with the letters workload installed beside ours, and a temporary folder of its own."""
    installed = tmp_path / "installed" / "letters-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: letters\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[dropscore.workloads]\nletters = letters_workload:LETTERS\n")
    (tmp_path / "temporary").mkdir()
    path = os.pathsep.join(map(str, (repository, WORDS, installed.parent)))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, **emulated.settings, "PYTHONPATH": path, "TMPDIR": str(tmp_path / "temporary")}
    return Container(environment=environment, run_id=RUN)


@pytest.fixture
def words(emulated: Emulated) -> Iterator[WordRun]:
    """A run on the emulator; what it left is deleted afterwards."""
    run = WordRun(blobs=emulated.cloud.blobs, clock=SystemClock())
    yield run
    for name in (ContainerName.RUNS, ContainerName.LOGS, ContainerName.OUTPUTS):
        for info in list(run.blobs.list(BlobPath(name, RUN))):
            run.blobs.delete(info.path)


@pytest.fixture
def nudges(emulated: Emulated) -> Callable[[], list[bytes]]:
    """Takes all messages off `run-events` and gives their bodies."""

    def take() -> list[bytes]:
        messages = emulated.cloud.queue.receive(QueueName.RUN_EVENTS, count=32, lease_s=30)
        for message in messages:
            emulated.cloud.queue.delete(message)
        return [message.body for message in messages]

    return take
