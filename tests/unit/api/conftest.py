"""The API over an empty cloud in memory."""

import pytest
from api_client import ApiClient

from activities.catalogue import Catalogue
from dropscore.api.app import create_api
from dropscore.api.services import Services
from dropscore.api.starting import Starter
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud, memory_cloud


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory(clock: ManualClock) -> MemoryCloud:
    return memory_cloud(clock)


@pytest.fixture
def starter(memory: MemoryCloud) -> Starter:
    return Starter(memory.cloud)


@pytest.fixture
def api(memory: MemoryCloud, starter: Starter) -> ApiClient:
    services = Services(cloud=memory.cloud, starter=starter, workloads=Catalogue())
    return ApiClient(create_api(lambda: services), memory.orchestrations)
