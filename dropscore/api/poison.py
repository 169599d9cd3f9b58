"""Messages that nobody could read: looked at, dropped, or sent to their queue again.

Looking leases nothing: it sees the next 32 messages of a queue. What is to be dropped or sent again is leased, and so
are, for a moment, those before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dropscore.api.stored import StoredRuns
from dropscore.cloud.ports import Cloud, PeekedMessage, QueueMessage
from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import ContractError, FailedError, LeaseLostError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.messages import READERS, SOURCES, original_of, read_poison
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import RunEvent, ShardMessage
from dropscore.contracts.quarantine import PoisonedMessage

SEEN_AT_ONCE = 32
LEASE_S = 15.0
BUDGET_S = 1.5
"""Time one call may take over many messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of several messages: how many were done with, refused, and are left in all."""

    done: int
    refused: tuple[Failure, ...]
    left: int


class PoisonShelf:
    """The poison queues."""

    def __init__(self, cloud: Cloud) -> None:
        self._queue = cloud.queue
        self._clock = cloud.clock
        self._runs = StoredRuns(cloud.blobs)

    def queues(self) -> list[dict[str, Json]]:
        """Every poison queue with its depth and the next messages."""
        return [self._told(queue) for queue in SOURCES]

    def show(self, queue: QueueName, message_id: str) -> dict[str, Json]:
        """One of the next messages of a queue, in full. Raises `FailedError` (E-MESSAGE-UNKNOWN)."""
        for message in self._queue.peek(queue, count=SEEN_AT_ONCE):
            if message.message_id == message_id:
                return self._document(message, whole=True)
        raise unknown_message(queue, message_id)

    def drop(self, queue: QueueName, message_id: str) -> None:
        """Delete a message. Raises `FailedError` (E-MESSAGE-UNKNOWN)."""
        self._queue.delete(self._lease(queue, message_id))

    def retry(self, queue: QueueName, message_id: str) -> None:
        """Send a message to its queue again, then delete it here. Raises `FailedError` with the reason why not."""
        message = self._lease(queue, message_id)
        problem = self._send_back(message)
        if problem is not None:
            self._give_back([message])
            raise FailedError(problem)

    def drop_all(self, queue: QueueName) -> Handled:
        """Delete messages for `BUDGET_S`."""
        done = 0
        for messages in self._batches(queue):
            done += sum(self._queue.delete(message) for message in messages)
        return Handled(done=done, refused=(), left=self._queue.depth(queue))

    def retry_all(self, queue: QueueName) -> Handled:
        """Send messages to their queue again for `BUDGET_S`; those that cannot be stay here."""
        done, kept, refused = 0, list[QueueMessage](), list[Failure]()
        for messages in self._batches(queue):
            for message in messages:
                problem = self._send_back(message)
                if problem is None:
                    done += 1
                else:
                    kept.append(message)
                    refused.append(problem)
        self._give_back(kept)
        return Handled(done=done, refused=tuple(refused), left=self._queue.depth(queue))

    def _told(self, queue: QueueName) -> dict[str, Json]:
        messages: list[Json] = [self._document(one) for one in self._queue.peek(queue, count=SEEN_AT_ONCE)]
        depth = self._queue.depth(queue)
        return {"queue": queue.value, "source": SOURCES[queue].value, "depth": depth, "messages": messages}

    def _document(self, message: PeekedMessage, *, whole: bool = False) -> dict[str, Json]:
        record = read_poison(message.queue, message.body, at=message.sent_at)
        told = encode(record)
        fields: dict[str, Json] = told if isinstance(told, dict) else {}
        if not whole:
            fields["body"] = record.body[:200]
        problem = self._problem(record)
        why: dict[str, Json] = {} if problem is None else {"code": problem.code.value, "message": problem.message}
        return {"id": message.message_id, **fields, "retry": problem is None, "why_not": why or None}

    def _send_back(self, message: QueueMessage) -> Failure | None:
        """Send a message where it came from, then delete it; why not, if it cannot be."""
        record = read_poison(message.queue, message.body)
        problem = self._problem(record)
        body = original_of(record)
        if problem is not None or body is None:
            return problem
        self._queue.send(QueueName(record.queue), body)
        self._queue.delete(message)
        return None

    def _problem(self, record: PoisonedMessage) -> Failure | None:
        """Why a message cannot be sent again; None when it can."""
        reader = READERS.get(QueueName(record.queue)) if record.queue in set(QueueName) else None
        if reader is None:
            message = f"Messages of {record.queue!r} are not sent again."
            return failure(Code.MESSAGE_MALFORMED, message, action="Drop the trigger file again.")
        body = original_of(record)
        if body is None:
            message = f"Of its {record.body_bytes} bytes only a part was kept, or they are no text."
            return failure(Code.MESSAGE_MALFORMED, message, action="Drop it from the poison queue.")
        try:
            read = reader(body)
        except ContractError as error:
            return failure(Code.MESSAGE_MALFORMED, f"It still cannot be read: {error}.", action="Drop it.")
        return self._run_problem(read.run_id) if isinstance(read, ShardMessage | RunEvent) else None

    def _run_problem(self, run_id: str) -> Failure | None:
        try:
            state = self._runs.state(run_id)
        except FailedError as error:
            return error.failure
        if state is None:
            return failure(Code.RUN_UNKNOWN, f"There is no run {run_id!r}.", action="Drop it.")
        if state.status.ended:
            return failure(Code.RUN_ENDED, f"The run {run_id} has ended already: {state.status}.", action="Drop it.")
        return None

    def _lease(self, queue: QueueName, message_id: str) -> QueueMessage:
        others: list[QueueMessage] = []
        try:
            for messages in self._batches(queue):
                found = [message for message in messages if message.message_id == message_id]
                others += [message for message in messages if message.message_id != message_id]
                if found:
                    return found[0]
        finally:
            self._give_back(others)
        raise unknown_message(queue, message_id)

    def _batches(self, queue: QueueName) -> Iterator[list[QueueMessage]]:
        until = self._clock.monotonic() + BUDGET_S
        while self._clock.monotonic() < until:
            messages = self._queue.receive(queue, count=SEEN_AT_ONCE, lease_s=LEASE_S)
            if not messages:
                return
            yield messages

    def _give_back(self, messages: list[QueueMessage]) -> None:
        for message in messages:
            try:
                self._queue.extend(message, lease_s=0)
            except LeaseLostError:
                continue  # it is back already


def poison_queue(name: str) -> QueueName:
    """The poison queue of a name: its own, or that of the queue or lane it belongs to, such as `normal`.

    Raises `FailedError` (E-MESSAGE-UNKNOWN).
    """
    for queue in SOURCES:
        if name in (queue.value, SOURCES[queue].value, SOURCES[queue].value.removeprefix("shards-")):
            return queue
    known = ", ".join(SOURCES)
    raise FailedError.of(
        Code.MESSAGE_UNKNOWN, f"There is no poison queue {name!r}.", field="queue", action=f"Use one of: {known}."
    )


def unknown_message(queue: QueueName, message_id: str) -> FailedError:
    """There is no such message, or it is not among the next ones, or somebody else has it."""
    message = f"There is no message {message_id!r} among the next ones of {queue}."
    return FailedError.of(Code.MESSAGE_UNKNOWN, message, field="id")
