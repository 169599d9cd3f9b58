"""Messages that nobody will take off their lane: of runs that are over, and such as cannot be read.

Workers drop and put aside such messages themselves; this is for lanes without workers. Messages are only peeked at
until some at the front are stray, and then as many are leased. A message of a live run that is leased by mistake is
given back uncounted.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import takewhile

from activities.lane_drain import give_back
from activities.sweeping.rounds import Round
from dropscore.cloud.ports import QueueMessage
from dropscore.contracts.errors import ContractError
from dropscore.contracts.messages import poison_record, read_shard
from dropscore.contracts.names import LANE_QUEUES, POISON_QUEUES, QueueName
from dropscore.contracts.sweep import SweepDeed

AT_ONCE = 32
BATCHES = 16
"""Most batches of one lane in one sweep."""
LEASE_S = 15.0


class _Kind(StrEnum):
    LIVE = "live"
    DEAD = "dead"
    UNREADABLE = "unreadable"


def stray_messages(round: Round, after: str) -> Iterator[str]:
    """Take stray messages off the front of each lane."""
    for queue in LANE_QUEUES.values():
        if queue > after:
            with round.trying(f"look through {queue}"):
                yield from _lane(round, queue)
            yield str(queue)


def _lane(round: Round, queue: QueueName) -> Iterator[str]:
    removed = aside = 0
    for _ in range(BATCHES):
        found = round.ports.cloud.queue.peek(queue, count=AT_ONCE)
        round.saw("messages", len(found))
        stray = list(takewhile(lambda message: _kind(round, message.body) is not _Kind.LIVE, found))
        if not stray:
            break
        kinds = [_settle(round, one) for one in _lease(round, queue, len(stray))]
        removed += kinds.count(_Kind.DEAD)
        aside += kinds.count(_Kind.UNREADABLE)
        if _Kind.LIVE in kinds:
            break
        yield ""
    if removed:
        round.did(SweepDeed.MESSAGES_REMOVED, queue, f"{removed} messages of runs that are over.", count=removed)
    if aside:
        round.did(SweepDeed.MESSAGES_PUT_ASIDE, queue, f"{aside} messages that nobody can read.", count=aside)


def _lease(round: Round, queue: QueueName, count: int) -> list[QueueMessage]:
    return round.ports.cloud.queue.receive(queue, count=count, lease_s=LEASE_S)


def _kind(round: Round, body: bytes) -> _Kind:
    try:
        run_id = read_shard(body).run_id
    except ContractError:
        return _Kind.UNREADABLE
    return _Kind.DEAD if round.is_over(run_id) else _Kind.LIVE


def _settle(round: Round, message: QueueMessage) -> _Kind:
    """Delete a stray message; one that cannot be read goes on its poison queue first."""
    queue = round.ports.cloud.queue
    kind = _kind(round, message.body)
    if kind is _Kind.LIVE:
        give_back(queue, message)
        return kind
    if kind is _Kind.UNREADABLE:
        at = round.ports.cloud.clock.now()
        record = poison_record(message.queue, _reason(message.body), message.body, worker="sweep", at=at)
        queue.send(POISON_QUEUES[message.queue], record)
    queue.delete(message)
    return kind


def _reason(body: bytes) -> str:
    try:
        read_shard(body)
    except ContractError as error:
        return str(error)
    return ""
