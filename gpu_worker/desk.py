"""Puts the worker's storage side together. Imports no torch."""

from dropscore.cloud.bell import Bell
from dropscore.cloud.ports import BlobStore, Clock, MessageQueue
from dropscore.contracts.request import RunPolicy
from gpu_worker.junk import Junk
from gpu_worker.lanes import Lanes
from gpu_worker.leases import Heartbeat
from gpu_worker.nudges import Nudges
from gpu_worker.run_logs import RunLogs
from gpu_worker.runs import CancelMarks
from gpu_worker.sides import Desk
from gpu_worker.will import Will


def compose_desk(
    blobs: BlobStore,
    queue: MessageQueue,
    clock: Clock,
    logs: RunLogs,
    *,
    will: Will | None = None,
    shaky: bool = False,
    lease_s: float | None = None,
) -> Desk:
    """Everything that talks to storage and knows nothing of devices. Without a `will` nobody reads it later. `lease_s`
    is what the run asked for that was scored last.
    """
    will = will or Will()
    heartbeat = Heartbeat(clock)
    junk = Junk(blobs, queue, clock, worker=logs.worker)
    return Desk(
        blobs=blobs,
        queue=queue,
        clock=clock,
        lanes=Lanes(
            queue,
            clock,
            lease_s=lease_s or RunPolicy().lease_s,
            keep=heartbeat.keep,
            will=will,
            bell=Bell(blobs).rang,
            junk=junk,
        ),
        junk=junk,
        heartbeat=heartbeat,
        nudges=Nudges(queue, clock),
        marks=CancelMarks(blobs, clock),
        logs=logs,
        will=will,
        shaky=shaky,
    )
