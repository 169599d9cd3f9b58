"""Queue storage in Azure, and in its emulator: the same client, another address."""

import base64
import binascii
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueClient, QueueServiceClient

from dropscore.cloud.ask_again import AskAgain
from dropscore.cloud.clock import utc_text
from dropscore.cloud.connection import StorageSettings
from dropscore.cloud.credentials import storage_credential
from dropscore.cloud.doubts import Attempts
from dropscore.cloud.operations import Operations
from dropscore.cloud.outage import Turns
from dropscore.cloud.patience import BRIEF, Patience
from dropscore.cloud.ports import PeekedMessage, QueueMessage
from dropscore.cloud.translate import error_code, translated
from dropscore.cloud.transport import CountingTransport
from dropscore.contracts.errors import AccessDeniedError, DropscoreError, LeaseLostError
from dropscore.contracts.names import Account, QueueName

SENDERS = 16
"""Messages on their way at once in `send_many`; more do not go faster (measured on the emulator)."""
MAX_RECEIVED = 32
CREATED = 201


class AzureQueue:
    """A `MessageQueue` over Azure's client. Safe to share between threads.

    Azure counts leases and delays in whole seconds, so both are rounded up (a lease of 0 gives back at once).
    `send_limit_s` is the time one call of `send_many` may take before it starts no further message.
    """

    def __init__(self, services: Mapping[Account, QueueServiceClient], *, send_limit_s: float = 1.2) -> None:
        self._queues = {
            name: services[name.account].get_queue_client(name) for name in QueueName if name.account in services
        }
        self._send_limit_s = send_limit_s
        self._senders: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def send(self, queue: QueueName, body: bytes, *, delay_s: float = 0.0) -> None:
        with translated(f"send to {queue}"):
            try:
                self._queue(queue).send_message(
                    base64.b64encode(body).decode("ascii"), visibility_timeout=math.ceil(delay_s), time_to_live=-1
                )
            except HttpResponseError as error:
                if error.status_code != CREATED:  # a text that cannot be read, with that status, is good news enough
                    raise

    def send_many(self, queue: QueueName, bodies: Sequence[bytes]) -> int:
        """Sends several at a time. A failure is raised only when not even the first message was put; otherwise
        the number put so far tells where to go on, and a lasting fault shows itself at the next call.
        """
        cursor = _Cursor(len(bodies), time.monotonic() + self._send_limit_s)
        threads = self._pool()
        running = [threads.submit(self._send_next, queue, bodies, cursor) for _ in range(min(SENDERS, len(bodies)))]
        wait(running)
        return _put_without_gaps(cursor, running)

    def receive(self, queue: QueueName, *, count: int, lease_s: float) -> list[QueueMessage]:
        if not 1 <= count <= MAX_RECEIVED:
            raise ValueError(f"count is 1 to {MAX_RECEIVED}, got {count}")
        with translated(f"receive from {queue}"):
            pages = self._queue(queue).receive_messages(
                messages_per_page=count, visibility_timeout=max(1, math.ceil(lease_s))
            )
            page: Iterator[Any] = next(pages.by_page(), iter(()))
            return [_message(queue, message) for message in page]

    def peek(self, queue: QueueName, *, count: int) -> list[PeekedMessage]:
        if not 1 <= count <= MAX_RECEIVED:
            raise ValueError(f"count is 1 to {MAX_RECEIVED}, got {count}")
        with translated(f"peek into {queue}"):
            found = self._queue(queue).peek_messages(max_messages=count)
        return [
            PeekedMessage(
                queue=queue,
                message_id=message.id,
                body=_decoded(message.content),
                dequeue_count=message.dequeue_count or 0,
                sent_at=utc_text(message.inserted_on) if message.inserted_on else "",
            )
            for message in found
        ]

    def extend(self, message: QueueMessage, *, lease_s: float) -> QueueMessage:
        with translated(f"extend a message of {message.queue}"):
            extended = self._queue(message.queue).update_message(
                message.message_id, message.receipt, visibility_timeout=math.ceil(lease_s)
            )
        return QueueMessage(
            queue=message.queue,
            message_id=message.message_id,
            receipt=str(extended.pop_receipt),
            body=message.body,
            dequeue_count=message.dequeue_count,
        )

    def delete(self, message: QueueMessage) -> bool:
        attempts = Attempts()
        try:
            with translated(f"delete a message of {message.queue}"):
                self._queue(message.queue).delete_message(message.message_id, message.receipt, retry_hook=attempts.note)
        except LeaseLostError as error:
            # A repeated request that finds nothing came after our own that took effect.
            gone = error.__cause__ is not None and error_code(error.__cause__) == "MessageNotFound"
            return gone and attempts.repeated
        return True

    def depth(self, queue: QueueName) -> int:
        with translated(f"look at {queue}"):
            return self._queue(queue).get_queue_properties().approximate_message_count or 0

    def _send_next(self, queue: QueueName, bodies: Sequence[bytes], cursor: "_Cursor") -> None:
        """Send message after message until none is left, the time is over or one fails."""
        while (index := cursor.take()) is not None:
            try:
                self.send(queue, bodies[index])
            except DropscoreError:
                cursor.fail(index)
                raise

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._senders is None:
                self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="send")
            return self._senders

    def _queue(self, queue: QueueName) -> QueueClient:
        client = self._queues.get(queue)
        if client is None:
            raise AccessDeniedError(f"there are no settings for the {queue.account} account, which has {queue}")
        return client


class _Cursor:
    """Hands out message numbers in order until the time is over or a message has failed."""

    def __init__(self, count: int, deadline: float) -> None:
        self.next = 0
        self.first_failed: int | None = None
        self._count = count
        self._deadline = deadline
        self._lock = threading.Lock()

    def take(self) -> int | None:
        with self._lock:
            over = self.next >= self._count or self.first_failed is not None
            # The first message goes out whatever the time: each call makes progress.
            if over or (self.next > 0 and time.monotonic() >= self._deadline):
                return None
            self.next += 1
            return self.next - 1

    def fail(self, index: int) -> None:
        with self._lock:
            self.first_failed = index if self.first_failed is None else min(index, self.first_failed)


def _put_without_gaps(cursor: _Cursor, senders: Sequence[Future[None]]) -> int:
    if cursor.first_failed is None:
        for sender in senders:
            sender.result()
        return cursor.next
    if cursor.first_failed == 0:
        raise next(error for sender in senders if (error := sender.exception()) is not None)
    return cursor.first_failed


def connect_queue(
    storages: Mapping[Account, StorageSettings],
    operations: Operations | None = None,
    *,
    send_limit_s: float = 1.2,
    patience: Patience = BRIEF,
    turns: Turns | None = None,
) -> AzureQueue:
    """Queues of the accounts given; queues of an account that is not given are refused.

    `turns` are those of the process, for the time of an outage.
    """
    turns = turns or Turns()
    services = {
        account: queue_service(storage, operations, patience=patience, turns=turns)
        for account, storage in storages.items()
    }
    return AzureQueue(services, send_limit_s=send_limit_s)


def queue_service(
    storage: StorageSettings,
    operations: Operations | None = None,
    *,
    patience: Patience = BRIEF,
    turns: Turns | None = None,
) -> QueueServiceClient:
    """Azure's client of one account."""
    return QueueServiceClient(
        storage.queue_url,
        credential=storage_credential(storage),
        transport=CountingTransport(storage.queue_url, operations, turns),
        retry_policy=AskAgain(patience),
    )


def _message(queue: QueueName, message: Any) -> QueueMessage:
    return QueueMessage(
        queue=queue,
        message_id=message.id,
        receipt=message.pop_receipt,
        body=_decoded(message.content),
        dequeue_count=message.dequeue_count,
    )


def _decoded(content: str) -> bytes:
    """The bytes of a base64 message; anything else as it is, for the reader to refuse."""
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return content.encode()
