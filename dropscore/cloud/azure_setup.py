"""Makes the containers and queues where infrastructure as code does not: in a fresh emulator."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from azure.core.exceptions import ResourceExistsError

from dropscore.cloud.azure_blobs import blob_service
from dropscore.cloud.azure_queue import queue_service
from dropscore.cloud.connection import StorageSettings
from dropscore.cloud.translate import translated
from dropscore.contracts.names import Account, ContainerName, QueueName


def create_containers_and_queues(storages: Mapping[Account, StorageSettings]) -> None:
    """Make every container and queue of the accounts given; those that exist are left as they are."""
    for account, storage in storages.items():
        with translated(f"set up the account {storage.account}"), blob_service(storage) as blobs:
            for container in ContainerName:
                if container.account is account:
                    _make(blobs.create_container, container)
        with translated(f"set up the account {storage.account}"), queue_service(storage) as queues:
            for queue in QueueName:
                if queue.account is account:
                    _make(queues.create_queue, queue)


def _make(create: Callable[[str], Any], name: str) -> None:
    with suppress(ResourceExistsError):
        create(name)
