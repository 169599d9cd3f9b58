"""Fixtures of the activities' tests."""

from dataclasses import replace

import pytest
from activity_bench import WARM_S, Bench, ports_of

from activities.catalogue import Catalogue
from activities.registered import activities
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import memory_cloud


@pytest.fixture
def warm(bench: Bench) -> Bench:
    """The same, where workers are expected to leave by themselves after a while."""
    ports = replace(ports_of(bench.memory), warm_s=WARM_S)
    warmed = replace(bench, registered=activities(ports, Catalogue()))
    warmed.ask_for()
    return warmed


@pytest.fixture
def bench() -> Bench:
    """An empty cloud and all activities."""
    clock = ManualClock()
    memory = memory_cloud(clock)
    return Bench(memory=memory, clock=clock, registered=activities(ports_of(memory), Catalogue()))
