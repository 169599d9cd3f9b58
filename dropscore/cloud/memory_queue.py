"""The in-memory twin of queue storage, with visibility timeouts on an injected clock."""

import heapq
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dropscore.cloud.operations import Operations
from dropscore.cloud.ports import Clock, PeekedMessage, QueueMessage
from dropscore.contracts.errors import LeaseLostError, PermanentCloudError
from dropscore.contracts.names import QueueName

MAX_WIRE_BYTES = 65_536
"""Largest message as sent, in base64 characters."""
MAX_RECEIVED = 32


@dataclass(slots=True, kw_only=True, eq=False)
class _Message:
    message_id: str
    order: int
    body: bytes
    sent_at: str
    visible_at: float
    receipt: str = ""
    dequeue_count: int = 0


@dataclass(slots=True)
class _Queue:
    messages: dict[str, _Message] = field(default_factory=dict)
    due: list[tuple[float, int, str]] = field(default_factory=list)
    """Heap of (visible_at, order, message_id); an entry whose time is no longer its message's is stale."""


class MemoryQueue:
    """A `MessageQueue` in memory. Safe to share between threads; `operations` tells what was asked.

    As in Azure, a receipt stays good after the lease has run out, until somebody else leases the message.
    """

    def __init__(self, clock: Clock, operations: Operations | None = None) -> None:
        self.operations = operations or Operations(remember=True)
        self._clock = clock
        self._lock = threading.Lock()
        self._queues = {name: _Queue() for name in QueueName}
        self._order = itertools.count()
        self._receipts = itertools.count()

    def send(self, queue: QueueName, body: bytes, *, delay_s: float = 0.0) -> None:
        self.operations.note("queue.put", queue)
        if (len(body) + 2) // 3 * 4 > MAX_WIRE_BYTES:
            raise PermanentCloudError(f"a message of {len(body)} bytes is too large for {queue}")
        with self._lock:
            order = next(self._order)
            message = _Message(
                message_id=f"m{order}",
                order=order,
                body=bytes(body),
                sent_at=self._clock.now(),
                visible_at=self._clock.monotonic() + delay_s,
            )
            self._queues[queue].messages[message.message_id] = message
            self._schedule(queue, message)

    def send_many(self, queue: QueueName, bodies: Sequence[bytes]) -> int:
        for body in bodies:
            self.send(queue, body)
        return len(bodies)

    def receive(self, queue: QueueName, *, count: int, lease_s: float) -> list[QueueMessage]:
        self.operations.note("queue.get", queue)
        if not 1 <= count <= MAX_RECEIVED:
            raise ValueError(f"count is 1 to {MAX_RECEIVED}, got {count}")
        with self._lock:
            now = self._clock.monotonic()
            due = self._take_due(queue, count, now)
            for message in due:
                message.dequeue_count += 1
            return [self._hide(queue, message, now + lease_s) for message in due]

    def peek(self, queue: QueueName, *, count: int) -> list[PeekedMessage]:
        self.operations.note("queue.peek", queue)
        if not 1 <= count <= MAX_RECEIVED:
            raise ValueError(f"count is 1 to {MAX_RECEIVED}, got {count}")
        with self._lock:
            now = self._clock.monotonic()
            visible = [message for message in self._queues[queue].messages.values() if message.visible_at <= now]
            next_ones = sorted(visible, key=lambda message: (message.visible_at, message.order))[:count]
            return [
                PeekedMessage(
                    queue=queue,
                    message_id=message.message_id,
                    body=message.body,
                    dequeue_count=message.dequeue_count,
                    sent_at=message.sent_at,
                )
                for message in next_ones
            ]

    def extend(self, message: QueueMessage, *, lease_s: float) -> QueueMessage:
        self.operations.note("queue.update", message.queue)
        with self._lock:
            own = self._owned(message)
            if own is None:
                raise LeaseLostError(f"message {message.message_id} of {message.queue} is leased by somebody else")
            hidden = self._hide(message.queue, own, self._clock.monotonic() + lease_s)
            return replace(hidden, dequeue_count=message.dequeue_count)

    def delete(self, message: QueueMessage) -> bool:
        self.operations.note("queue.delete", message.queue)
        with self._lock:
            if self._owned(message) is None:
                return False
            del self._queues[message.queue].messages[message.message_id]
            return True

    def depth(self, queue: QueueName) -> int:
        self.operations.note("queue.depth", queue)
        with self._lock:
            return len(self._queues[queue].messages)

    def bodies(self, queue: QueueName) -> list[bytes]:
        """All messages of a queue in the order sent, leased ones included, for tests; not counted."""
        with self._lock:
            return [message.body for message in self._queues[queue].messages.values()]

    def _take_due(self, queue: QueueName, count: int, now: float) -> list[_Message]:
        own = self._queues[queue]
        taken: list[_Message] = []
        while own.due and len(taken) < count and own.due[0][0] <= now:
            visible_at, _, message_id = heapq.heappop(own.due)
            message = own.messages.get(message_id)
            if message is not None and message.visible_at == visible_at and message not in taken:
                taken.append(message)
        return taken

    def _hide(self, queue: QueueName, message: _Message, visible_at: float) -> QueueMessage:
        """Hide a message until then, under a new receipt."""
        message.visible_at = visible_at
        message.receipt = f"r{next(self._receipts)}"
        self._schedule(queue, message)
        return QueueMessage(
            queue=queue,
            message_id=message.message_id,
            receipt=message.receipt,
            body=message.body,
            dequeue_count=message.dequeue_count,
        )

    def _schedule(self, queue: QueueName, message: _Message) -> None:
        heapq.heappush(self._queues[queue].due, (message.visible_at, message.order, message.message_id))

    def _owned(self, message: QueueMessage) -> _Message | None:
        own = self._queues[message.queue].messages.get(message.message_id)
        return own if own is not None and own.receipt == message.receipt else None
