"""Fixtures of the local cloud's tests: a storage emulator for the session, and a host of the sample app."""

import contextlib
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient
from hosting import Host, running_host

from localcloud.azurite import AzuriteEndpoints, running_azurite
from localcloud.node import NodeError


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzuriteEndpoints]:
    """One storage emulator for all tests of the session; tests use containers and queues of their own."""
    try:
        with running_azurite(tmp_path_factory.mktemp("azurite")) as endpoints:
            yield endpoints
    except NodeError as error:
        pytest.skip(f"no storage emulator: {error}")


@pytest.fixture(scope="session")
def triggers(azurite: AzuriteEndpoints) -> Iterator[ContainerClient]:
    """The container whose blobs call the sample app."""
    with ContainerClient.from_connection_string(azurite.data_connection, "triggers") as client:
        with contextlib.suppress(ResourceExistsError):
            client.create_container()
        yield client


@pytest.fixture(scope="session")
def work(azurite: AzuriteEndpoints) -> Iterator[QueueClient]:
    """The queue whose messages call the sample app."""
    with QueueClient.from_connection_string(azurite.system_connection, "work") as client:
        client.create_queue()
        yield client


@pytest.fixture(scope="session")
def host(
    tmp_path_factory: pytest.TempPathFactory, azurite: AzuriteEndpoints, triggers: ContainerClient, work: QueueClient
) -> Iterator[Host]:
    """One host of the sample app for all tests that do not harm it."""
    with running_host(tmp_path_factory.mktemp("host"), azurite) as running:
        yield running
