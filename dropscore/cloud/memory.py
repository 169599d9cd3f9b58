"""The whole cloud in memory, for tests and for whole runs in one process."""

from dataclasses import dataclass

from dropscore.cloud.clock import ManualClock, SystemClock
from dropscore.cloud.memory_batch import MemoryOrchestrations, MemoryWorkerPool
from dropscore.cloud.memory_blobs import MemoryBlobs
from dropscore.cloud.memory_containers import MemoryContainers
from dropscore.cloud.memory_links import MemoryLinks
from dropscore.cloud.memory_queue import MemoryQueue
from dropscore.cloud.ports import Clock, Cloud
from dropscore.contracts.names import Account

MEMORY_ACCOUNTS = {Account.DATA: "memorydata", Account.SYSTEM: "memorysystem"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCloud:
    """Every twin, sharing one clock."""

    blobs: MemoryBlobs
    queue: MemoryQueue
    containers: MemoryContainers
    pool: MemoryWorkerPool
    orchestrations: MemoryOrchestrations
    clock: Clock
    links: MemoryLinks

    @property
    def cloud(self) -> Cloud:
        """What the composition roots hand on."""
        return Cloud(blobs=self.blobs, queue=self.queue, clock=self.clock, links=self.links, accounts=MEMORY_ACCOUNTS)


def memory_cloud(
    clock: Clock | None = None, *, containers: MemoryContainers | None = None, pool: MemoryWorkerPool | None = None
) -> MemoryCloud:
    """A fresh, empty cloud. On the machine's clock unless another is given, such as a `ManualClock`."""
    clock = clock or SystemClock()
    blobs = MemoryBlobs(clock)
    return MemoryCloud(
        blobs=blobs,
        queue=MemoryQueue(clock),
        containers=containers or MemoryContainers(),
        pool=pool or MemoryWorkerPool(),
        orchestrations=MemoryOrchestrations(),
        clock=clock,
        links=MemoryLinks(blobs, clock),
    )


__all__ = [
    "MEMORY_ACCOUNTS",
    "ManualClock",
    "MemoryBlobs",
    "MemoryCloud",
    "MemoryContainers",
    "MemoryLinks",
    "MemoryOrchestrations",
    "MemoryQueue",
    "MemoryWorkerPool",
    "memory_cloud",
]
