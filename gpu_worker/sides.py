"""The two sides of a worker: that which talks to storage, ready at once, and that which scores."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropscore.cloud.ports import BlobStore, Clock, MessageQueue
from gpu_worker.board import Board
from gpu_worker.junk import Junk
from gpu_worker.lanes import Lanes
from gpu_worker.leases import Heartbeat
from gpu_worker.nudges import Nudges
from gpu_worker.pace import Pace
from gpu_worker.run_logs import RunLogs
from gpu_worker.runs import CancelMarks
from gpu_worker.settle import Settling
from gpu_worker.signs import Signs
from gpu_worker.will import Will

if TYPE_CHECKING:  # both import torch, which comes later
    from gpu_worker.loading import Models
    from gpu_worker.stages import Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The worker's device side, made once torch is imported and the device is known."""

    board: Board
    stages: "Stages"
    models: "Models"
    settling: Settling
    pace: Pace
    lanes: int
    signs: Signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The worker's storage side, ready at once."""

    blobs: BlobStore
    queue: MessageQueue
    clock: Clock
    lanes: Lanes
    junk: Junk
    heartbeat: Heartbeat
    nudges: Nudges
    marks: CancelMarks
    logs: RunLogs
    will: Will
    shaky: bool
    """Whether a life of this worker has just ended in the middle of its work."""

    @property
    def hesitant(self) -> bool:
        """Whether this life may end as the one before did: until something is settled."""
        return self.shaky and not self.will.settled
