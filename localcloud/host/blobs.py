"""Blob triggers, with the rules of the real host.

Each version (ETag) of a blob that fits the path is handled once. A version that has failed `poisonBlobThreshold`
times is written about to the queue `webjobs-blobtrigger-poison` of the same account, and left alone.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient
from azure.storage.queue import QueueClient

from localcloud.host.functions import Function, FunctionApp
from localcloud.host.paths import BlobPattern
from localcloud.host.queues import send_text
from localcloud.host.receipts import Receipts
from localcloud.host.runtime import Datum, datum
from localcloud.host.storage import Connections
from localcloud.weather.events import Loses

POISON_QUEUE = "webjobs-blobtrigger-poison"
CONTENT_LIMIT_BYTES = 8 << 20
"""Larger blobs come with their length and properties but without their content, to keep memory bounded."""
POLL_S = 10.0
"""How often the container is listed without an event."""
RETRY_S = 0.1
FAULT_PAUSE_S = 1.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A blob as it was read, with one request: its properties, and its content unless it is too large."""

    properties: BlobProperties
    content: bytes
    uri: str


@dataclass(slots=True, kw_only=True)
class BlobListener:
    """Calls one function with the blobs of one container."""

    app: FunctionApp
    function: Function
    pattern: BlobPattern
    container: ContainerClient
    poison: QueueClient
    poison_threshold: int
    parallel: asyncio.Semaphore
    receipts: Receipts
    connections: Connections
    loses: Loses
    poll_s: float = POLL_S
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _again: dict[str, bool] = field(default_factory=dict)
    """Names being handled, and whether something happened to them meanwhile."""
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def wake(self, name: str | None) -> None:
        """A blob was written; None: look at all of them."""
        if name is None:
            self._wake.set()
        elif name in self._again:
            self._again[name] = True
        elif self.pattern.match(name) is not None:
            self._spawn(name)

    async def run(self) -> None:
        """List the container now, when woken and from time to time, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self._scan()
                await asyncio.wait_for(self._wake.wait(), self.poll_s)
            except TimeoutError:
                continue
            except AzureError as error:
                _LOG.warning("The container %s could not be listed: %s", self.pattern.container, error)
                await asyncio.sleep(FAULT_PAUSE_S)

    async def deliver(self, name: str) -> bool:
        """Call the function with a blob that an event was delivered about, whatever was done before: events may come
        more than once, and then so do the calls. False: it failed, and is worth another delivery.
        """
        async with self.parallel:
            download = await self.connections.call(lambda: self._download(name))
            return download is None or await self._call(name, download)

    async def drain(self, limit_s: float) -> None:
        """Wait until no blob is being handled, or `limit_s` is over."""
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)

    async def _scan(self) -> None:
        known = self.receipts.blobs(self.function.name)
        found = await self.connections.call(self._list)
        self.receipts.forget(self.function.name, known - found.keys())
        for name, etag in found.items():
            if not self.receipts.is_settled(self.function.name, name, etag):
                self.wake(name)

    def _list(self) -> dict[str, str]:
        blobs = self.container.list_blobs(name_starts_with=self.pattern.prefix or None)
        try:
            return {blob.name: _plain(blob.etag) for blob in blobs}
        except ResourceNotFoundError:
            return {}  # the container may be created later

    def _spawn(self, name: str) -> None:
        self._again[name] = False
        task = asyncio.get_running_loop().create_task(self._handle(name))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _handle(self, name: str) -> None:
        """Handle a blob until its present version is settled."""
        async with self.parallel:
            try:
                while not await self._settle(name) or self._again[name]:
                    self._again[name] = False
            except AzureError as error:
                _LOG.warning("The blob %s/%s could not be read: %s", self.pattern.container, name, error)
            finally:
                del self._again[name]

    async def _settle(self, name: str) -> bool:
        """Call the function once if it still has to be; says whether nothing is left to do."""
        download = await self.connections.call(lambda: self._download(name))
        if download is None:
            return True
        if self.receipts.is_settled(self.function.name, name, _plain(download.properties.etag)):
            return True
        if self.loses(name):
            self.receipts.settle(self.function.name, name, _plain(download.properties.etag))
            return True
        if await self._call(name, download):
            return True
        await asyncio.sleep(RETRY_S)
        return False

    async def _call(self, name: str, download: Download) -> bool:
        """Call the function; says whether it did its work or was given up."""
        etag = _plain(download.properties.etag)
        tokens = self.pattern.match(name) or {}
        outcome = await self.app.invoke_logged(
            self.function,
            datum(download.content, "bytes"),
            _metadata(self.pattern.container, name, download, tokens),
            reason=f"blob {self.pattern.container}/{name}",
        )
        if outcome.ok:
            self.receipts.settle(self.function.name, name, etag)
            return True
        if self.receipts.fail(self.function.name, name, etag) < self.poison_threshold:
            return False
        await self._to_poison(name, download.properties)
        return True

    def _download(self, name: str) -> Download | None:
        blob = self.container.get_blob_client(name)
        try:
            stream = blob.download_blob()  # reads up to the client's `read_at_once`, and more only when asked
            content = stream.readall() if stream.properties.size <= CONTENT_LIMIT_BYTES else b""
        except ResourceNotFoundError:
            return None
        return Download(properties=stream.properties, content=content, uri=blob.url)

    async def _to_poison(self, name: str, properties: BlobProperties) -> None:
        _LOG.error("Blob %s/%s goes to %s.", self.pattern.container, name, POISON_QUEUE)
        text = poison_text(self.function.name, self.pattern.container, name, properties)
        await self.connections.call(lambda: send_text(self.poison, text))
        self.receipts.settle(self.function.name, name, _plain(properties.etag))


def poison_text(function: str, container: str, name: str, properties: BlobProperties) -> str:
    """The message about a blob that failed for good, encoded for the queue."""
    said = {
        "Type": "BlobTrigger",
        "FunctionId": f"Host.Functions.{function}",
        "BlobType": str(properties.blob_type.value),
        "ContainerName": container,
        "BlobName": name,
        "ETag": properties.etag,
    }
    return base64.b64encode(json.dumps(said, ensure_ascii=False).encode()).decode()


def _plain(etag: str) -> str:
    return etag.strip('"')


def _metadata(container: str, name: str, download: Download, tokens: Mapping[str, str]) -> dict[str, Datum]:
    properties = download.properties
    said = {
        "Length": properties.size,
        "ETag": properties.etag,
        "LastModified": properties.last_modified.isoformat(),
        "CreatedOn": properties.creation_time.isoformat() if properties.creation_time else None,
        "ContentType": properties.content_settings.content_type,
        "BlobType": str(properties.blob_type.value),
    }
    return {
        "BlobTrigger": datum(f"{container}/{name}", "string"),
        "Uri": datum(download.uri, "string"),
        "Properties": datum(json.dumps(said), "json"),
        "Metadata": datum(json.dumps(dict(properties.metadata or {})), "json"),
        **{token: datum(value, "string") for token, value in tokens.items()},
    }
