"""The heir: sees to what a dead life of the worker held, before this one leases anything.

Every lease is taken over where it is, since a message that is given back comes behind all that wait. One that may have
ended the process goes first and counts one delivery more, as if its lease had run out; the death is written down
before, so that whoever looks at it next knows what to make of it (`deaths`). The others keep their delivery counts: a
neighbour's death is never held against them.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from dropscore.cloud.ports import Clock, MessageQueue, QueueMessage
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, DropscoreError, LeaseLostError
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import Piece, ShardMessage
from dropscore.contracts.verdict import WorkerFacts
from gpu_worker.attempts import Attempts, Tried
from gpu_worker.deaths import items_of, obituary, suspected
from gpu_worker.lanes import Lanes
from gpu_worker.lives import Cause, Dead, Death
from gpu_worker.will import LeftLease, LeftWork, State

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Leases seen to at the same time."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A lease that can be taken over, held since `since` (monotonic) for `lease_s`; `again`: as another delivery."""

    dead: Dead
    left: LeftLease
    message: QueueMessage
    since: float
    lease_s: float
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heir:
    """Settles what others left. `lanes` takes over what can go on; without it everything is given back."""

    queue: MessageQueue
    clock: Clock
    attempts: Attempts
    lanes: Lanes | None

    def settle(self, estate: Sequence[Dead]) -> None:
        """See to all that is left, oldest first. What storage does not allow stays in the will for the next life."""
        left = self._newest(estate)
        if not left:
            return
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="heir") as threads:
            found = list(threads.map(lambda one: self._see_to(*one), left))
        kept = [one for one in found if one is not None]
        for one in sorted(kept, key=lambda one: not one.again):
            self._take_over(one)

    def _newest(self, estate: Sequence[Dead]) -> list[tuple[Dead, LeftLease]]:
        """Each lease as it was noted last."""
        newest: dict[str, tuple[Dead, LeftLease]] = {}
        for dead in estate:
            for left in dead.will.left():
                if left.message_id in newest:  # taken over by a life that could not strike it any more
                    older, known = newest[left.message_id]
                    older.will.strike(known)
                newest[left.message_id] = dead, left
        return list(newest.values())

    def _see_to(self, dead: Dead, left: LeftLease) -> _Kept | None:
        """Write down how the attempt ended, if it was one, and make sure that the lease is ours; None when it is not
        to be taken over.
        """
        message, now = _message(left), self.clock.monotonic()
        try:
            works = suspected(left, dead.death)
            readable = works is None or self._record(dead, left, works)
            if self.lanes is not None and left.body is not None and readable:
                if works is None and not _counts(left, dead.death):
                    return _Kept(dead, left, message, since=left.since, lease_s=left.lease_s, again=False)
                again, lease_s = replace(message, dequeue_count=left.deliveries + 1), self.lanes.lease_s
                kept = self.queue.extend(again, lease_s=lease_s)
                return _Kept(dead, left, kept, since=now, lease_s=lease_s, again=True)
            self.queue.extend(message, lease_s=0)
        except LeaseLostError:
            log.info("Somebody else has a message that was left.", extra={"action": "left_elsewhere"})
        except DropscoreError as error:
            log.warning("A message that was left stays leased: %s", error, extra={"action": "release_failed"})
            return None
        dead.will.strike(left)
        return None

    def _take_over(self, kept: _Kept) -> None:
        assert self.lanes is not None
        lease = self.lanes.add(kept.message, leased_at=kept.since, first_s=kept.lease_s)
        lease.tried = kept.left.state is not State.HELD
        lease.interrupted = kept.left.state is State.STARTED and kept.left.piece is None
        kept.dead.will.strike(kept.left)

    def _record(self, dead: Dead, left: LeftLease, works: Sequence[LeftWork]) -> bool:
        """Write the death down; False when the message is none of ours: whoever gets it next puts it aside."""
        try:
            message = decode(ShardMessage, left.body or b"")
        except ContractError:
            return False
        delivery = left.deliveries
        if left.piece is not None:
            piece, delivery = Piece(first_item=left.piece.first_item, items=left.piece.items), left.piece.deliveries
            message = message.model_copy(update={"piece": piece, "generation": left.piece.generation})
        tried = Tried(
            queue=QueueName(left.queue),
            message_id=left.message_id,
            delivery=delivery,
            message=message,
            worker=decode(WorkerFacts, dead.will.facts["worker"]),
            started_at=dead.death.at,
        )
        told, items = obituary(dead.death, works), items_of(works)
        self.attempts.record(
            tried,
            told,
            at_work=items,
            death=True,
            signal=dead.death.signal,
            stage=", ".join(dict.fromkeys(work.what for work in works)) or None,
        )
        log.error(
            "A shard lost its worker: %s.",
            told.message,
            extra={**tried.fields, "action": "died", "code": told.code.value, "at_work": sorted(items)},
        )
        return True


def _counts(left: LeftLease, death: Death) -> bool:
    """Whether it was begun, and nobody can tell what ended the process."""
    return death.cause is Cause.ABANDONED and left.state is not State.HELD


def _message(left: LeftLease) -> QueueMessage:
    return QueueMessage(
        queue=QueueName(left.queue),
        message_id=left.message_id,
        receipt=left.receipt,
        body=left.body or b"",
        dequeue_count=left.deliveries,
    )
