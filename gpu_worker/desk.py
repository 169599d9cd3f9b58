"""Puts the worker's storage side together. Imports no torch."""

from dropscore.cloud.ports import BlobStore, Clock, MessageQueue
from dropscore.contracts.request import RunPolicy
from gpu_worker.lanes import Lanes
from gpu_worker.leases import Heartbeat
from gpu_worker.nudges import Nudges
from gpu_worker.run_logs import RunLogs
from gpu_worker.runs import CancelMarks
from gpu_worker.worker import Desk


def compose_desk(blobs: BlobStore, queue: MessageQueue, clock: Clock, logs: RunLogs) -> Desk:
    """Everything that talks to storage and knows nothing of devices."""
    heartbeat = Heartbeat(clock)
    return Desk(
        blobs=blobs,
        queue=queue,
        clock=clock,
        lanes=Lanes(queue, clock, lease_s=RunPolicy().lease_s, keep=heartbeat.keep),
        heartbeat=heartbeat,
        nudges=Nudges(queue, clock),
        marks=CancelMarks(blobs, clock),
        logs=logs,
    )
