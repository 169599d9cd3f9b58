"""A run of words, and the workload that scores them."""

from collections.abc import Iterator

import pytest
from letters_workload import LETTERS
from word_run import MemoryWordRun

from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.workloads import registry


@pytest.fixture(autouse=True)
def _letters_are_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry knows the letters workload, as it would one that is installed beside ours."""
    registry.workloads.cache_clear()
    monkeypatch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, LETTERS))
    yield
    registry.workloads.cache_clear()


@pytest.fixture
def word_run() -> MemoryWordRun:
    clock = ManualClock()
    return MemoryWordRun(blobs=memory_cloud(clock).blobs, clock=clock)
