"""Storage in memory, runs of the toy workload, and workers that are gone when the test ends."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import Storage, WorkerProcess, register_toy
from toy_workload import STAGE
from world import RunningWorker, Runs

from dropscore.cloud.memory import MemoryCloud, memory_cloud
from localcloud.azurite import running_azurite
from localcloud.node import NodeError


@pytest.fixture
def cloud() -> MemoryCloud:
    return memory_cloud()


@pytest.fixture
def runs(cloud: MemoryCloud) -> Runs:
    return Runs(cloud)


@pytest.fixture(autouse=True)
def log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gpu_worker")


@pytest.fixture(autouse=True)
def stage() -> Iterator[None]:
    STAGE.reset()
    yield
    STAGE.let_go.set()


@pytest.fixture
def start_worker(cloud: MemoryCloud) -> Iterator[Callable[..., RunningWorker]]:
    """Start a worker; it is told to leave when the test ends."""
    started: list[RunningWorker] = []

    def start(**options: object) -> RunningWorker:
        started.append(RunningWorker(cloud, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    STAGE.let_go.set()
    for worker in started:
        worker.stop()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """The storage emulator, for worker processes."""
    try:
        with running_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
            yield Storage(dict(azurite.settings))
    except NodeError as error:
        pytest.skip(str(error))


@pytest.fixture
def remote(storage: Storage) -> Runs:
    """Runs in the storage emulator."""
    return Runs(storage)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that registers the toy workload."""
    folder = tmp_path_factory.mktemp("plugins")
    register_toy(folder)
    return folder


@pytest.fixture
def start(storage: Storage, plugins: Path, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start a worker process; what is left of them is killed when the test ends."""
    running: list[WorkerProcess] = []

    def begin(name: str = "w1", **settings: str) -> WorkerProcess:
        running.append(WorkerProcess(storage, plugins, tmp_path, name, settings))
        return running[-1]

    yield begin
    for worker in running:
        worker.end()
