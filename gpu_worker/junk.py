"""Messages that nobody can read: out of the way of work at once, and put aside when there is time for it.

A flood of them may lie before a run. While one is being gone through, nothing is put aside, so that the run behind it
is found soonest; while shards are scored, one message at a time and with long pauses; and many at once when there is
nothing else to do. Until then they stay leased, and are nobody's burden: those for which the time or the room here was
not enough come back by themselves.
"""

import logging
import threading
from collections import OrderedDict, deque
from enum import StrEnum
from typing import NamedTuple

from dropscore.cloud.ports import BlobStore, Clock, MessageQueue, QueueMessage
from dropscore.contracts import layout
from dropscore.contracts.errors import ContractError, DropscoreError
from dropscore.contracts.messages import poison_record, read_shard
from dropscore.contracts.names import POISON_QUEUES

log = logging.getLogger(__name__)

FLOOD_LEASE_S = 600.0
"""For so long messages are leased in a flood. What can be read among them is kept for its run's lease instead."""
MARGIN_S = 5.0
"""What is leased for no longer than this is left to come back: another may have it soon."""
MOST_BYTES = 64 * 2**20
"""Of messages kept here."""
MOVERS = 8
"""Messages put aside at once when there is nothing else to do."""
REST = 4.0
"""Beside work, this many times as long as one message takes is paused after it."""
LOOK_S = 0.5
RUNS_KEPT = 1000


class Pace(StrEnum):
    """How quickly messages are put aside."""

    NONE = "none"
    SLOW = "slow"
    FAST = "fast"


class _Kept(NamedTuple):
    message: QueueMessage
    reason: str
    leased_until: float


class Junk:
    """Takes messages that cannot be read, and puts them on their poison queue on threads of its own."""

    def __init__(self, blobs: BlobStore, queue: MessageQueue, clock: Clock, *, worker: str) -> None:
        self._blobs = blobs
        self._queue = queue
        self._clock = clock
        self._worker = worker
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._pace = Pace.SLOW
        self._stopped = False
        self._movers: list[threading.Thread] = []
        self._runs: OrderedDict[str, bool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def reason(self, message: QueueMessage, *, flooded: bool) -> str | None:
        """Why a message is no shard of ours; None when it is. In a flood it is also asked whether its run exists."""
        try:
            run_id = read_shard(message.body).run_id
        except ContractError as error:
            return str(error)
        return f"there is no run {run_id}" if flooded and not self._exists(run_id) else None

    def take(self, message: QueueMessage, reason: str, *, leased_until: float) -> None:
        """Keep a message until there is time for it. One for which there is no room comes back by itself."""
        with self._changed:
            if self._bytes + len(message.body) > MOST_BYTES:
                return
            self._kept.append(_Kept(message, reason, leased_until))
            self._bytes += len(message.body)
            if not self._movers:
                self._movers = [self._mover(number) for number in range(MOVERS)]
            self._changed.notify()

    def set_pace(self, pace: Pace) -> None:
        """Say how quickly messages may be put aside from now on."""
        if pace is not self._pace:
            with self._changed:
                self._pace = pace
                self._changed.notify_all()

    def stop(self) -> None:
        """Put nothing more aside; what is kept comes back by itself."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _exists(self, run_id: str) -> bool:
        """Whether a run was admitted. While storage does not answer, it counts as if it was."""
        known = self._runs.get(run_id)
        if known is None:
            try:
                known = self._blobs.head(layout.admission(run_id)) is not None
            except DropscoreError:
                return True
            self._runs[run_id] = known
            while len(self._runs) > RUNS_KEPT:
                self._runs.popitem(last=False)
        return known

    def _mover(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(number,), name=f"junk-{number}", daemon=True)
        thread.start()
        return thread

    def _run(self, number: int) -> None:
        while (kept := self._next(number)) is not None:
            began = self._clock.monotonic()
            try:
                self._put_aside(kept)
            except DropscoreError as error:
                log.warning("An unreadable message stays for now: %s", error, extra={"action": "poison_failed"})
            if self._pace is not Pace.FAST:
                self._rest(REST * (self._clock.monotonic() - began))

    def _next(self, number: int) -> _Kept | None:
        """Wait for a message to put aside; None when told to stop."""
        with self._changed:
            while not self._stopped:
                may = self._pace is Pace.FAST or (self._pace is Pace.SLOW and number == 0)
                if may and self._kept:
                    kept = self._kept.popleft()
                    self._bytes -= len(kept.message.body)
                    return kept
                self._changed.wait(LOOK_S)
        return None

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._pace is Pace.FAST, seconds)

    def _put_aside(self, kept: _Kept) -> None:
        """The record first, then the message goes. One whose lease is nearly over may be somebody else's already."""
        if self._clock.monotonic() > kept.leased_until - MARGIN_S:
            return
        queue, body = kept.message.queue, kept.message.body
        record = poison_record(queue, kept.reason, body, worker=self._worker, at=self._clock.now())
        self._queue.send(POISON_QUEUES[queue], record)
        self._queue.delete(kept.message)
        log.warning("An unreadable message was put aside: %s", kept.reason, extra={"action": "poisoned"})
