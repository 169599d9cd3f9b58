"""What travels on queues: read strictly, and put aside with the reason where it cannot be read."""

from collections.abc import Callable

from dropscore.contracts.base import Stored
from dropscore.contracts.codec import decode, encode_bytes, parse
from dropscore.contracts.errors import ContractError
from dropscore.contracts.names import LANE_QUEUES, POISON_QUEUES, ContainerName, QueueName
from dropscore.contracts.plan import MAX_MESSAGE_BYTES, RunEvent, ShardMessage
from dropscore.contracts.quarantine import PoisonedMessage
from dropscore.contracts.webhooks import MAX_BYTES, RunNews

MAX_POISON_BYTES = 40_000
"""Largest record of a message put aside; a queue takes 48 KB."""
MOST_REASON = 2_000
"""Characters of a reason that are kept."""
REPLACED = "\ufffd"
"""Stands for bytes that were no text: with it, nobody knows what the message was, whatever its length."""
HOST_GAVE_UP = "The Functions host could not decode it, or has given it up after five tries."


def read_shard(body: bytes) -> ShardMessage:
    """A message of a lane. Raises `ContractError` also for one that is larger than any of ours."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise ContractError("ShardMessage", (("$", f"{len(body)} bytes, over {MAX_MESSAGE_BYTES}"),))
    return decode(ShardMessage, body)


def read_event(body: bytes) -> RunEvent:
    """A message of `run-events`. Raises `ContractError` also for one that is larger than any of ours."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise ContractError("RunEvent", (("$", f"{len(body)} bytes, over {MAX_MESSAGE_BYTES}"),))
    return decode(RunEvent, body)


def read_news(body: bytes) -> RunNews:
    """A message of `webhooks`. Raises `ContractError` also for one that is larger than any of ours."""
    if len(body) > MAX_BYTES:
        raise ContractError("RunNews", (("$", f"{len(body)} bytes, over {MAX_BYTES}"),))
    return decode(RunNews, body)


READERS: dict[QueueName, Callable[[bytes], Stored]] = {
    **dict.fromkeys(LANE_QUEUES.values(), read_shard),
    QueueName.RUN_EVENTS: read_event,
    QueueName.WEBHOOKS: read_news,
}
"""How the messages of a queue are read."""

SOURCES: dict[QueueName, QueueName] = {poison: source for source, poison in POISON_QUEUES.items()}
"""Where the messages of a poison queue come from."""


def poison_record(queue: QueueName, reason: str, body: bytes, *, worker: str, at: str) -> bytes:
    """What to put on the poison queue of `queue` for a message nobody can read: as much of its body as fits."""
    kept = min(len(body), MAX_POISON_BYTES)
    while True:
        record = PoisonedMessage(
            queue=queue.value,
            reason=reason[:MOST_REASON],
            body=body[:kept].decode(errors="replace"),
            body_bytes=len(body),
            worker=worker,
            at=at,
        )
        text = encode_bytes(record)
        if len(text) <= MAX_POISON_BYTES:
            return text
        kept = max(0, kept * MAX_POISON_BYTES // len(text) - 1_000)


def read_poison(queue: QueueName, text: bytes, *, at: str = "") -> PoisonedMessage:
    """A message of a poison queue: a record of ours, or a message as it was, which the Functions host has put there."""
    try:
        return decode(PoisonedMessage, text)
    except ContractError:
        return PoisonedMessage(
            queue=SOURCES[queue].value,
            reason=HOST_GAVE_UP,
            body=text.decode(errors="replace"),
            body_bytes=len(text),
            worker="host",
            at=at,
        )


def original_of(record: PoisonedMessage) -> bytes | None:
    """The message as it was; None when only a part of it, or no text, was kept."""
    if REPLACED in record.body:
        return None
    body = record.body.encode()
    return body if len(body) == record.body_bytes else None


def poisoned_trigger(body: bytes) -> str | None:
    """The trigger file that a message of the host's blob-poison queue names; None when it names none of ours."""
    try:
        message = parse(body, name="poison message")
    except ContractError:
        return None
    if not isinstance(message, dict) or message.get("ContainerName") != ContainerName.TRIGGERS:
        return None
    name = message.get("BlobName")
    return name if isinstance(name, str) and name else None
