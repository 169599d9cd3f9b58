"""The API over an empty cloud in memory."""

from dataclasses import replace

import pytest
from api_client import ApiClient

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.starting import Starter
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.cloud.settings import TaskEnvironment


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory(clock: ManualClock) -> MemoryCloud:
    return memory_cloud(clock)


@pytest.fixture
def ports(memory: MemoryCloud) -> Ports:
    """The twins as the Function app gets them."""
    return Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="cpu",
        container_environment=TaskEnvironment(plain={}, secret={}),
    )


@pytest.fixture
def starter(memory: MemoryCloud, clock: ManualClock) -> Starter:
    """A starter whose pauses pass in no time."""

    async def pass_by(seconds: float) -> None:
        clock.advance(seconds)

    return Starter(memory.cloud, pause=pass_by)


@pytest.fixture
def api(memory: MemoryCloud, starter: Starter, ports: Ports) -> ApiClient:
    services = replace(function_app.assemble(ports).services, starter=starter)
    return ApiClient(create_api(lambda: services), memory.orchestrations)
