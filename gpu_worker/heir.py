"""The heir: sees to what a dead life of the worker held, before this one leases anything.

A lease that no stage had begun with, or was done with, is taken over as it is: its delivery count does not grow, so
that a neighbour's death is never held against it. One that was being worked on gets a record of the death and is given
back at once: whoever gets it next reads the record and knows what to make of it (`deaths`).
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dropscore.cloud.ports import MessageQueue, QueueMessage
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, DropscoreError, LeaseLostError
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import ShardMessage
from dropscore.contracts.verdict import WorkerFacts
from gpu_worker.attempts import Attempts, Tried
from gpu_worker.deaths import items_of, obituary, suspected
from gpu_worker.lanes import Lanes
from gpu_worker.lives import Dead
from gpu_worker.will import LeftLease, LeftWork, State

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Leases seen to at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heir:
    """Settles what others left. `lanes` takes over what can go on; without it everything is given back."""

    queue: MessageQueue
    attempts: Attempts
    lanes: Lanes | None

    def settle(self, estate: Sequence[Dead]) -> None:
        """See to all that is left, oldest first. What storage does not allow stays in the will for the next life."""
        newest: dict[str, LeftLease] = {}
        whose: dict[str, Dead] = {}
        for dead in estate:
            for left in dead.will.left():
                if left.message_id in newest:  # taken over by a life that could not strike it any more
                    whose[left.message_id].will.strike(newest[left.message_id])
                newest[left.message_id], whose[left.message_id] = left, dead
        others = [(dead, newest[id_]) for id_, dead in whose.items() if not self._taken_over(dead, newest[id_])]
        if others:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="heir") as threads:
                list(threads.map(lambda other: self._give_back(*other), others))

    def _taken_over(self, dead: Dead, left: LeftLease) -> bool:
        if self.lanes is None or left.body is None or suspected(left, dead.death) is not None:
            return False
        lease = self.lanes.add(_message(left, left.body), leased_at=left.since, lease_s=left.lease_s)
        lease.tried = left.state is not State.HELD
        dead.will.strike(left)
        return True

    def _give_back(self, dead: Dead, left: LeftLease) -> None:
        """Write down how the attempt ended, if it was one; then let others see the message."""
        works = suspected(left, dead.death)
        try:
            if works is not None:
                self._record(dead, left, works)
            self.queue.extend(_message(left, left.body or b""), lease_s=0)
        except LeaseLostError:
            log.info("Somebody else has a message that was left.", extra={"action": "left_elsewhere"})
        except DropscoreError as error:
            log.warning("A message that was left stays leased: %s", error, extra={"action": "release_failed"})
            return
        dead.will.strike(left)

    def _record(self, dead: Dead, left: LeftLease, works: Sequence[LeftWork]) -> None:
        try:
            message = decode(ShardMessage, left.body or b"")
        except ContractError:
            return  # none of ours: whoever gets it next puts it aside
        tried = Tried(
            queue=QueueName(left.queue),
            message_id=left.message_id,
            delivery=left.deliveries,
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


def _message(left: LeftLease, body: bytes) -> QueueMessage:
    return QueueMessage(
        queue=QueueName(left.queue),
        message_id=left.message_id,
        receipt=left.receipt,
        body=body,
        dequeue_count=left.deliveries,
    )
