"""What lies in a cloud's storage, seen with Azure's own clients and with nothing of the product's."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobServiceClient
from azure.storage.queue import QueueServiceClient

LANES = ("shards-urgent", "shards-normal", "shards-offpeak")
EVENTS = "run-events"
POISON = tuple(f"{queue}-poison" for queue in (*LANES, EVENTS))
PATIENCE_S = 60.0
"""How long to try a service that does not answer: it may have been stopped on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Both accounts of a cloud. Calls are tried until storage answers, but for `PATIENCE_S` at most."""

    data: BlobServiceClient
    system: BlobServiceClient
    queues: QueueServiceClient

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "Store":
        """The storage that settings name."""
        quick: dict[str, Any] = {"retry_total": 0, "connection_timeout": 2, "read_timeout": 5}
        return cls(
            data=BlobServiceClient.from_connection_string(settings["DataStorage"], **quick),
            system=BlobServiceClient.from_connection_string(settings["SystemStorage"], **quick),
            queues=QueueServiceClient.from_connection_string(settings["SystemStorage"], **quick),
        )

    def close(self) -> None:
        """Close the connections."""
        for client in (self.data, self.system, self.queues):
            client.close()

    def put(self, container: str, name: str, body: bytes) -> str:
        """Write a blob of the data account; returns its ETag."""
        client = self.data.get_blob_client(container, name)
        return str(insisted(lambda: client.upload_blob(body, overwrite=True))["etag"])

    def get(self, container: str, name: str) -> bytes | None:
        """A blob; None when there is none."""
        client = self._account(container).get_blob_client(container, name)

        def read() -> bytes | None:
            try:
                return bytes(client.download_blob().readall())
            except ResourceNotFoundError:
                return None

        return insisted(read)

    def document(self, container: str, name: str) -> dict[str, Any] | None:
        """A blob of JSON; None when there is none."""
        data = self.get(container, name)
        return None if data is None else dict(json.loads(data))

    def blobs(self, container: str, prefix: str) -> list[BlobProperties]:
        """The blobs below a prefix."""
        client = self._account(container).get_container_client(container)
        return insisted(lambda: list(client.list_blobs(name_starts_with=prefix)))

    def documents(self, container: str, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and content of each blob of JSON below a prefix."""
        for blob in self.blobs(container, prefix):
            found = self.document(container, blob.name)
            if found is not None:
                yield blob.name, found

    def exists(self, container: str, name: str) -> bool:
        """Whether a blob is there, asked once: False while storage does not answer."""
        try:
            return bool(self._account(container).get_blob_client(container, name).exists())
        except AzureError:
            return False

    def depths(self) -> dict[str, int]:
        """Messages on each queue of ours, leased ones included; queues without any are left out.

        Of events only those that can be seen now: each run that ends sends one to itself, for the time when its
        workers should have left.
        """
        counts = {queue: insisted(lambda queue=queue: self._depth(queue)) for queue in (*LANES, *POISON)}  # type: ignore[misc]
        counts[EVENTS] = insisted(lambda: len(self.queues.get_queue_client(EVENTS).peek_messages(32)))
        return {queue: count for queue, count in counts.items() if count}

    def _depth(self, queue: str) -> int:
        return self.queues.get_queue_client(queue).get_queue_properties().approximate_message_count or 0

    def _account(self, container: str) -> BlobServiceClient:
        return self.data if container in ("triggers", "rejected", "inputs", "outputs") else self.system


def insisted[T](call: Callable[[], T]) -> T:
    """The result of a call that is repeated while its service does not answer. Raises what it raises in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except AzureError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
