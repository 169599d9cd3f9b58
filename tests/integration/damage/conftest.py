"""A cloud in memory with the shipped models, the real worker and the real containers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))  # the worker in this process
sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "media"))  # the clips made there

from style_runs import StyleRun
from world import RunningWorker

from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.models.registry import ModelRegistry
from dropscore.models.shipped import push_shipped
from dropscore.workloads.registry import STYLE_TRANSFER


@pytest.fixture
def cloud() -> MemoryCloud:
    cloud = memory_cloud()
    push_shipped(ModelRegistry(cloud.blobs))
    return cloud


@pytest.fixture
def worker(cloud: MemoryCloud) -> Iterator[RunningWorker]:
    running = RunningWorker(cloud, definition=STYLE_TRANSFER)
    yield running
    running.stop()


@pytest.fixture
def run(cloud: MemoryCloud, worker: RunningWorker, wait_until: Callable[..., None]) -> StyleRun:
    """Runs style transfer from its inputs to its report."""
    return StyleRun(cloud, wait_until)
