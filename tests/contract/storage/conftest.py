"""Both storages behind one fixture: the in-memory twin, and the emulator that Azure's own client talks to."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_queue import connect_queue, queue_service
from dropscore.cloud.azure_setup import create_containers_and_queues
from dropscore.cloud.connection import StorageSettings, read_storage
from dropscore.cloud.environment import Environment
from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.cloud.operations import Operations
from dropscore.cloud.ports import BlobStore, MessageQueue
from dropscore.contracts.names import Account, QueueName
from localcloud.azurite import running_azurite
from localcloud.node import NodeError, azurite_modules, find_node, tools_folder


@dataclass(frozen=True)
class Storage:
    """A blob store and a queue with their common counter.

    `eventually(probe)` calls `probe` while time passes, until it gives something true, and returns that.
    """

    blobs: BlobStore
    queue: MessageQueue
    operations: Operations
    eventually: Callable[[Callable[[], object]], object]
    let_pass: Callable[[float], None]
    """Lets this many seconds go by."""


@pytest.fixture(scope="session")
def azurite_storages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Account, StorageSettings]]:
    """Settings of both accounts of an emulator of our own, with all containers and queues made."""
    try:
        azurite_modules(find_node(), tools_folder())
    except NodeError as error:
        pytest.skip(str(error))
    with running_azurite(tmp_path_factory.mktemp("azurite")) as endpoints:
        environment = Environment(endpoints.settings)
        storages = {
            Account.DATA: read_storage(environment, "DataStorage"),
            Account.SYSTEM: read_storage(environment, "SystemStorage"),
        }
        environment.check()
        create_containers_and_queues(storages)
        yield storages


@pytest.fixture
def azurite(azurite_storages: Mapping[Account, StorageSettings], wait_until) -> Storage:
    """The emulator, its queues emptied."""
    with queue_service(azurite_storages[Account.SYSTEM]) as service:
        for queue in QueueName:
            if queue.account is Account.SYSTEM:
                service.get_queue_client(queue).clear_messages()
    operations = Operations(remember=True)

    def let_pass(seconds):
        end = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() > end, every_s=0.05)

    def eventually(probe):
        found: list[object] = []
        wait_until(lambda: found.append(probe()) or found[-1], within_s=10.0, every_s=0.05)
        return found[-1]

    return Storage(
        blobs=connect_blobs(azurite_storages, operations),
        queue=connect_queue(azurite_storages, operations),
        operations=operations,
        eventually=eventually,
        let_pass=let_pass,
    )


@pytest.fixture
def memory() -> Storage:
    """The in-memory twins on a clock that moves only in `eventually`."""
    clock = ManualClock()
    cloud = memory_cloud(clock)
    operations = Operations(remember=True)
    cloud.blobs.operations = cloud.queue.operations = operations

    def eventually(probe):
        for _ in range(100):
            if found := probe():
                return found
            clock.advance(0.1)
        pytest.fail(f"not within 10 s: {probe}")

    return Storage(
        blobs=cloud.blobs, queue=cloud.queue, operations=operations, eventually=eventually, let_pass=clock.advance
    )


@pytest.fixture(
    params=["memory", pytest.param("azurite", marks=[pytest.mark.azurite, pytest.mark.xdist_group("azurite")])]
)
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each test of the contract runs over both."""
    return request.getfixturevalue(request.param)
