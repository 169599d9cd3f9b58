"""Fixtures of the activities' tests."""

import pytest
from activity_bench import Bench, ports_of

from activities.catalogue import Catalogue
from activities.registered import activities
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import memory_cloud


@pytest.fixture
def bench() -> Bench:
    """An empty cloud and all activities."""
    clock = ManualClock()
    memory = memory_cloud(clock)
    return Bench(memory=memory, clock=clock, registered=activities(ports_of(memory), Catalogue()))
