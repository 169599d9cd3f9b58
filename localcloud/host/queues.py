"""Queue triggers, with the rules of the real host.

A message is leased, its function called, and the message deleted. After a failure it is given back and becomes
visible when `visibilityTimeout` is over; once it has failed `maxDequeueCount` times, its unchanged text goes to the
queue's poison queue.
"""

import asyncio
import base64
import binascii
import json
import logging
from dataclasses import dataclass, field

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from localcloud.host.config import QueueOptions
from localcloud.host.functions import Function, FunctionApp
from localcloud.host.runtime import Datum, datum
from localcloud.host.storage import Connections

LEASE_S = 30
"""How long a message is ours at a time: short, so that it comes back soon after a kill. Renewed at half time."""
POLL_S = 2.0
"""How often a queue is looked at without an event."""
FAULT_PAUSE_S = 1.0

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class QueueListener:
    """Takes messages off one queue and calls one function with them."""

    app: FunctionApp
    function: Function
    queue: QueueClient
    poison: QueueClient
    options: QueueOptions
    connections: Connections
    lease_s: int = LEASE_S
    poll_s: float = POLL_S
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    async def run(self) -> None:
        """Listen until cancelled; messages being handled then are finished by `drain`."""
        while True:
            self._wake.clear()
            try:
                full = len(self._running) <= self.options.new_batch_threshold and await self._take_batch()
            except AzureError as error:
                _LOG.warning("The queue %s could not be read: %s", self.queue.queue_name, _first_line(error))
                full = False
                await asyncio.sleep(FAULT_PAUSE_S)
            if not full:
                await self._wait()

    async def drain(self, limit_s: float) -> None:
        """Wait until no message is being handled, or `limit_s` is over."""
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), self.poll_s)
        except TimeoutError:
            return

    async def _take_batch(self) -> bool:
        """Lease a batch and start on it; says whether there may be more to take at once."""
        messages = await self.connections.call(self._receive)
        for message in messages:
            task = asyncio.get_running_loop().create_task(self._handle(message))
            self._running.add(task)
            task.add_done_callback(self._done)
        return len(messages) == self.options.batch_size

    def _done(self, task: asyncio.Task[None]) -> None:
        was_busy = len(self._running) > self.options.new_batch_threshold
        self._running.discard(task)
        if was_busy and len(self._running) <= self.options.new_batch_threshold:
            self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The message comes back when its lease is over.
            _LOG.error("A message of %s could not be settled: %s", self.queue.queue_name, _first_line(error))

    def _receive(self) -> list[QueueMessage]:
        pages = self.queue.receive_messages(messages_per_page=self.options.batch_size, visibility_timeout=self.lease_s)
        try:
            return list(next(pages.by_page(), ()))
        except ResourceNotFoundError:
            return []  # the queue may be created later

    async def _handle(self, message: QueueMessage) -> None:
        body = self._body(message)
        if body is None or (message.dequeue_count or 1) > self.options.max_dequeue_count:
            await self._to_poison(message)
            return
        ok, receipt = await self._invoke(message, body)
        if ok:
            await self.connections.call(lambda: self.queue.delete_message(message.id, receipt))
        elif (message.dequeue_count or 1) >= self.options.max_dequeue_count:
            message.pop_receipt = receipt
            await self._to_poison(message)
        else:
            rest_s = round(self.options.visibility_timeout_s)
            await self.connections.call(
                lambda: self.queue.update_message(message.id, receipt, visibility_timeout=rest_s)
            )
            if rest_s == 0:
                self._wake.set()

    async def _invoke(self, message: QueueMessage, body: str) -> tuple[bool, str]:
        """Call the function, keeping the lease; returns whether it succeeded and the message's present receipt."""
        reason = f"message {message.id} of {self.queue.queue_name}, delivery {message.dequeue_count}"
        calling = asyncio.ensure_future(
            self.app.invoke_logged(self.function, datum(body, "string"), _metadata(message), reason=reason)
        )
        receipt = str(message.pop_receipt)
        while not (await asyncio.wait({calling}, timeout=self.lease_s / 2))[0]:
            receipt = await self._renew(message, receipt)
        return calling.result().ok, receipt

    async def _renew(self, message: QueueMessage, receipt: str) -> str:
        try:
            renewed = await self.connections.call(
                lambda: self.queue.update_message(message.id, receipt, visibility_timeout=self.lease_s)
            )
        except AzureError as error:
            # The function goes on; if the message was given to somebody else, it cannot be deleted under this receipt.
            _LOG.warning("Message %s could not be kept: %s", message.id, _first_line(error))
            return receipt
        return str(renewed.pop_receipt)

    def _body(self, message: QueueMessage) -> str | None:
        """The text for the function; None when it is not encoded as host.json says."""
        if not self.options.base64:
            return str(message.content)
        try:
            return base64.b64decode(message.content, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None

    async def _to_poison(self, message: QueueMessage) -> None:
        _LOG.error("Message %s of %s goes to %s.", message.id, self.queue.queue_name, self.poison.queue_name)
        await self.connections.call(lambda: self._move(message))

    def _move(self, message: QueueMessage) -> None:
        """Put the text on the poison queue before the message is deleted: doubling it is better than losing it."""
        send_text(self.poison, str(message.content))
        self.queue.delete_message(message.id, message.pop_receipt)


def send_text(queue: QueueClient, text: str) -> None:
    """Put a text on a queue as it is, and make the queue if it is missing."""
    try:
        queue.send_message(text, time_to_live=-1)
    except ResourceNotFoundError:
        try:
            queue.create_queue()
        except ResourceExistsError:
            _LOG.debug("Somebody else made %s first.", queue.queue_name)
        queue.send_message(text, time_to_live=-1)


def _metadata(message: QueueMessage) -> dict[str, Datum]:
    times = {
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return {
        "Id": datum(message.id, "string"),
        "PopReceipt": datum(message.pop_receipt, "string"),
        "DequeueCount": datum(json.dumps(message.dequeue_count), "json"),
        **{name: datum(json.dumps(f"{when:%Y-%m-%dT%H:%M:%S+00:00}"), "json") for name, when in times.items() if when},
    }


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
