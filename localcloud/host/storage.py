"""Storage clients of the triggers, built from connection settings, and the threads they wait in."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from azure.storage.blob import ContainerClient, LinearRetry
from azure.storage.queue import QueueClient

from localcloud.host.config import ConfigError

TIMEOUT_S = 20


def retrying() -> LinearRetry:
    """Two more attempts a second apart. The library's own default waits 18 s before the first of them."""
    return LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """The storage accounts that bindings name, and the threads in which their calls wait."""

    settings: Mapping[str, str]
    threads: ThreadPoolExecutor

    def queue(self, connection: str, queue: str) -> QueueClient:
        """A client of a queue; texts are left as they are on the wire."""
        return QueueClient.from_connection_string(
            self._connection_string(connection), queue, retry_policy=retrying(), read_timeout=TIMEOUT_S
        )

    def container(self, connection: str, container: str, *, read_at_once: int) -> ContainerClient:
        """A client of a container that reads blobs of up to `read_at_once` bytes with one request."""
        return ContainerClient.from_connection_string(
            self._connection_string(connection),
            container,
            retry_policy=retrying(),
            read_timeout=TIMEOUT_S,
            max_single_get_size=read_at_once,
        )

    def _connection_string(self, connection: str) -> str:
        name = connection or "AzureWebJobsStorage"
        for key in (name, f"AzureWebJobs{name}"):
            if self.settings.get(key):
                return self.settings[key]
        raise ConfigError(f"The connection {name!r}, named by a binding, is not in the settings.")

    async def call[T](self, function: Callable[[], T]) -> T:
        """Make a blocking call in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, function)
