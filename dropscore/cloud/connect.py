"""The adapters of a process, from its settings. Azure's packages are imported here only when called for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropscore.cloud.clock import SystemClock
from dropscore.cloud.outage import Turns
from dropscore.cloud.ports import Cloud, ContainerRunner, WorkerPool
from dropscore.contracts.names import Account

if TYPE_CHECKING:
    from dropscore.cloud.connection import StorageSettings
    from dropscore.cloud.operations import Operations
    from dropscore.cloud.settings import AppSettings


def connect_storage(
    data: StorageSettings,
    system: StorageSettings | None,
    *,
    operations: Operations | None = None,
    send_limit_s: float = 1.2,
) -> Cloud:
    """Blobs and queues of both accounts; without `system`, what lies there raises `AccessDeniedError`.

    `operations` counts every request. `send_limit_s` is how long one `send_many` may go on.
    """
    from dropscore.cloud.azure_blobs import connect_blobs
    from dropscore.cloud.azure_links import connect_links
    from dropscore.cloud.azure_queue import connect_queue

    clock = SystemClock()
    storages = {Account.DATA: data} if system is None else {Account.DATA: data, Account.SYSTEM: system}
    turns = Turns()
    return Cloud(
        blobs=connect_blobs(storages, operations, turns=turns),
        queue=connect_queue(storages, operations, send_limit_s=send_limit_s, turns=turns),
        clock=clock,
        links=connect_links(storages, clock, turns=turns),
        accounts={account: storage.account for account, storage in storages.items()},
    )


def connect_workers(settings: AppSettings) -> WorkerPool:
    """The pool's workers. Batch has no hidden variables for tasks: account keys are in a task's environment, which
    is why only the emulator's settings have any.
    """
    from dropscore.cloud.azure_batch import connect_pool

    environment = settings.worker_environment()
    return connect_pool(
        settings.batch,
        settings.identity,
        image=settings.worker_image,
        environment={**environment.plain, **environment.secret},
    )


def connect_runner(settings: AppSettings) -> ContainerRunner:
    """The container groups."""
    from dropscore.cloud.azure_containers import connect_containers

    return connect_containers(settings.containers, settings.identity, identity_id=settings.identity_id)
