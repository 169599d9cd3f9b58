"""`python -m localcloud.provision SETTINGS`: make what the product expects to exist, if it does not yet.

In Azure, Bicep makes the containers, the queues and the pool; the product makes none of them.
"""

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from azure.batch import BatchClient
from azure.batch.models import BatchPoolCreateOptions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from dropscore.contracts.names import Account, ContainerName, QueueName
from localcloud.host.config import read_settings

CONNECTIONS: Mapping[Account, str] = {Account.DATA: "DataStorage", Account.SYSTEM: "SystemStorage"}
PATIENCE_S = 60.0
"""How long to wait for services that are still starting."""
RETRY_S = 0.05
CONFLICT = 409
PASSING = (408, 429, 500, 502, 503, 504)
"""Answers of a service that may say yes the next time."""


def main() -> None:
    """Make everything; what exists already is left as it is. The arguments are the settings and the pool's nodes."""
    settings = read_settings(Path(sys.argv[1]))
    make_storage({account: settings[name] for account, name in CONNECTIONS.items()})
    make_pool(settings, nodes=int(sys.argv[2]))


def make_storage(connections: Mapping[Account, str]) -> None:
    """Make all containers and queues of both accounts."""
    for account, connection in connections.items():
        with BlobServiceClient.from_connection_string(connection, retry_total=0) as blobs:
            for container in (name for name in ContainerName if name.account is account):
                _make(partial(blobs.create_container, container))
        with QueueServiceClient.from_connection_string(connection, retry_total=0) as queues:
            for queue in (name for name in QueueName if name.account is account):
                _make(partial(queues.create_queue, queue))


def make_pool(settings: Mapping[str, str], *, nodes: int) -> None:
    """Make the pool of workers. Nodes cost nothing here, so it has its nodes at once and keeps them."""
    credential = AzureNamedKeyCredential(settings["BatchAccountName"], settings["BatchAccountKey"])
    with BatchClient(settings["BatchAccountUrl"], credential, retry_total=0) as batch:
        _make(lambda: batch.create_pool(BatchPoolCreateOptions(pool_body(settings["BatchPoolId"], nodes=nodes))))


def pool_body(pool_id: str, *, nodes: int) -> dict[str, Any]:
    """The pool as the REST API takes it: one worker on each node, as each keeps a whole device busy."""
    image = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204", "version": "latest"}
    return {
        "id": pool_id,
        "vmSize": "Standard_NC4as_T4_v3",
        "virtualMachineConfiguration": {"imageReference": image, "nodeAgentSKUId": "batch.node.ubuntu 22.04"},
        "targetDedicatedNodes": nodes,
        "taskSlotsPerNode": 1,
    }


def _make(make: Callable[[], object]) -> None:
    """Make something unless it exists; waits for a service that does not answer yet, or not now."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            make()
        except ResourceExistsError:
            return
        except AzureError as error:
            status = error.status_code if isinstance(error, HttpResponseError) else None
            if status == CONFLICT:  # how Batch says that the pool exists
                return
            if (status is not None and status not in PASSING) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return


if __name__ == "__main__":
    main()
