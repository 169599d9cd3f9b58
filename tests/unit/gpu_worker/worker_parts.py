"""Small stand-ins for what surrounds a stage: leases, models, scorers, shards."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dropscore.cloud.memory import MemoryQueue
from dropscore.cloud.ports import Clock
from dropscore.contracts.measured import ExecutionProfile, Precision
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.workloads.base import Item
from gpu_worker.device import Device
from gpu_worker.job import Batch, Job
from gpu_worker.leases import Lease
from gpu_worker.loaded import Loaded
from gpu_worker.will import Will

CPU = Device(torch_device=torch.device("cpu"), title="cpu (2 lanes)", kind="cpu-test", lanes=2, memory_bytes=2**30)


def profile(**changes: Any) -> ExecutionProfile:
    fields: dict[str, Any] = {
        "device": "cpu-test",
        "precision": Precision.FLOAT32,
        "channels_last": False,
        "batch_items": 4,
        "item_bytes": 12,
        "reason": "",
    }
    return ExecutionProfile(**fields | changes)


class Turning:
    """255 - x. `cost` is called with each batch before anything is computed."""

    def __init__(
        self, cost: Callable[[torch.Tensor], None] = lambda batch: None, *, independent: bool = True, bytes_: int = 10
    ) -> None:
        self._cost = cost
        self.independent = independent
        self.memory_bytes = bytes_
        self.begun: list[int] = []

    def begin(self, shard: ShardSpec) -> None:
        self.begun = [*self.begun, shard.shard_id]

    def preprocess(self, items: Sequence[Item]) -> torch.Tensor:
        return torch.from_numpy(np.stack([item.pixels for item in items]))

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        self._cost(batch)
        return 255 - batch

    def postprocess(self, result: torch.Tensor, items: Sequence[Item]) -> Sequence[Any]:
        return list(result.numpy())


def loaded(scorer: Turning | None = None, *, parallel: int = 2, key: str = "m") -> Loaded:
    return Loaded(key=key, scorer=scorer or Turning(), profile=profile(), digest=None, parallel=parallel, load_s=0.0)


def frame(index: int, height: int = 2, width: int = 2) -> Item:
    return Item(index, np.full((height, width, 3), index % 256, dtype=np.uint8))


def batch(*indices: int, number: int = 0, scorer: Turning | None = None) -> Batch:
    items = [frame(index) for index in indices]
    return Batch(number=number, items=items, tensor=(scorer or Turning()).preprocess(items))


def job(clock: Clock, *, shard_id: int = 0, items: int = 4, model: Loaded | None = None, dequeued: int = 1) -> Job:
    queue = MemoryQueue(clock)
    queue.send(QueueName.SHARDS_NORMAL, b"{}")
    for _ in range(dequeued - 1):
        queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=0)
    (message,) = queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=30)
    return Job(
        lease=Lease(message, queue=queue, clock=clock, leased_at=clock.monotonic(), lease_s=30, will=Will()),
        message=ShardMessage(
            run_id="run-1", shard=ShardSpec(shard_id=shard_id, input_index=0, first_item=0, items=items)
        ),
        started_at=clock.monotonic(),
        started_on=clock.now(),
        model=model,
    )
