"""Takes the safety out of a worker: no verdicts, no heartbeats, no looks at cancel marks, no nudges (goal P15)."""

from typing import Any

from dropscore.cloud.azure_blobs import AzureBlobs
from dropscore.cloud.azure_queue import AzureQueue
from dropscore.cloud.ports import QueueMessage
from dropscore.contracts.names import QueueName


def without_safety() -> None:
    """Replace the requests that only safety needs by nothing, in this process."""
    create, head, send = AzureBlobs.create, AzureBlobs.head, AzureQueue.send

    def no_verdict(self: AzureBlobs, path: Any, *args: Any, **kwargs: Any) -> bool:
        return "/verdicts/" in path.name or create(self, path, *args, **kwargs)

    def no_mark(self: AzureBlobs, path: Any) -> Any:
        return None if path.name.endswith("cancel.json") or "/verdicts/" in path.name else head(self, path)

    def no_nudge(self: AzureQueue, queue: QueueName, *args: Any, **kwargs: Any) -> None:
        if queue is not QueueName.RUN_EVENTS:
            send(self, queue, *args, **kwargs)

    def no_heartbeat(_: AzureQueue, message: QueueMessage, **_lease: float) -> QueueMessage:
        return message

    AzureBlobs.create, AzureBlobs.head = no_verdict, no_mark  # type: ignore[method-assign] # this process measures
    AzureQueue.send, AzureQueue.extend = no_nudge, no_heartbeat  # type: ignore[method-assign, assignment] # this process measures
