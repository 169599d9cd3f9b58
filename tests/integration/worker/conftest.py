"""Storage in memory, runs of the toy workload, and workers that are gone when the test ends."""

import logging
from collections.abc import Callable, Iterator

import pytest
from toy_workload import STAGE
from world import RunningWorker, Runs

from dropscore.cloud.memory import MemoryCloud, memory_cloud


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
