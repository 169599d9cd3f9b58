"""Whole runs in one process: the durable backend, every orchestrator and activity, and stand-ins beside them."""

import threading
from collections.abc import Iterator

import pytest
from whole_runs import House


@pytest.fixture(scope="session")
def leaving() -> Iterator[list[threading.Thread]]:
    """Threads of hosts that are on their way out; waited for once, at the end of the session."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join(10)


@pytest.fixture
def house(leaving: list[threading.Thread]) -> Iterator[House]:
    """A house with its host running; workers and containers as a test asks."""
    house = House(leaving)
    try:
        yield house
    finally:
        house.stop()
