"""Which messages to take: urgent first at every shard, as many in a call as half a second of work."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dropscore.cloud.ports import Clock, MessageQueue, QueueMessage
from dropscore.contracts.errors import DropscoreError, LeaseLostError
from dropscore.contracts.names import LANE_QUEUES, Lane, QueueName
from gpu_worker.junk import FLOOD_LEASE_S, Junk
from gpu_worker.leases import Lease
from gpu_worker.will import Will

log = logging.getLogger(__name__)

MOST_PER_CALL = 32
BUFFER_S = 0.5
"""Work leased ahead, in seconds: enough to hide a call, little enough that other workers get their share, and that no
lease needs to be extended before its shard begins.
"""
FEW = 3
FEW_S = 4.0
"""So many shards are leased ahead, however long, as far as they are no more work than this."""
FIRST_SHARE = 1 / 2
FIRST_LEAST_S = 3.0
"""A message is leased for this share of a lease at first, but not for less than these seconds: what is on its way to a
process that ends, or in an answer that is lost, is seen by nobody until that time is over.
"""
URGENT_LOOK_S = 1.0
"""Shortest time between two looks at the urgent lane while there is other work."""
FIRST_WAIT_S = 0.010
WAIT_GROWTH = 1.25
BUSY_WAIT_S = 0.25
BUSY_WAIT_MOST_S = 2.0
"""Wait between two rounds while a shard could start and others are still under way: it grows with each in vain."""
FULL_WAIT_S = 5.0
"""Wait between two rounds that only fill the buffer, because no shard could start."""
IDLE_REQUESTS_PER_S = 2.5
"""Most requests of an idle worker, over all lanes and the bell."""
BELL_EVERY_S = 0.6
"""Time between two looks at the bell, once the lanes are asked less often than that."""
OFFPEAK_EVERY = 4
"""Idle rounds for each look at the lowest lane."""

URGENT, *LOWER = (LANE_QUEUES[lane] for lane in Lane)
LOWEST = LOWER[-1]
RANK = {queue: rank for rank, queue in enumerate((URGENT, *LOWER))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How much work to lease.

    `room` is how many shards could start now; `shard_s` the worker's measured seconds for each shard at its full
    rate, None before the first; `idle` whether none is under way.
    """

    room: int
    shard_s: float | None
    idle: bool = True

    @property
    def ahead(self) -> int:
        """Shards to hold besides those that can start now."""
        if self.shard_s is None:
            return 1
        shard_s = max(self.shard_s, 1e-6)
        return min(MOST_PER_CALL, max(int(BUFFER_S / shard_s), min(FEW, int(FEW_S / shard_s))))


class Lanes:
    """The local buffer of leased messages, filled from the three lanes. Used by one thread."""

    def __init__(
        self,
        queue: MessageQueue,
        clock: Clock,
        *,
        lease_s: float,
        keep: Callable[[Lease], None],
        will: Will,
        bell: Callable[[], bool] | None = None,
        junk: Junk | None = None,
    ) -> None:
        """`bell` says whether somebody has told of coming work since it was last called; without one the lanes are
        asked the more often. `junk` takes what cannot be read; without it nobody looks at what a message says.
        """
        self.lease_s = lease_s
        """Lease asked for; that of the last run seen, so that few leases have to be changed."""
        self._queue = queue
        self._clock = clock
        self._keep = keep
        self._will = will
        self._bell = bell
        self._junk = junk
        self.flooded = False
        """Whether the last messages that came were among such as nobody can read."""
        self._look_at = float("-inf")
        """When the bell is to be looked at next."""
        self._held: dict[QueueName, deque[Lease]] = {queue: deque() for queue in RANK}
        self._urgent_empty_at = float("-inf")
        """When the urgent lane was last seen to have no more."""
        self._last_found: QueueName | None = None
        self._empty_rounds = 0
        self._wait_s = 0.0
        self._busy_wait_s = BUSY_WAIT_S
        self._asked_at = self._ask_at = float("-inf")
        self._had_room = self._was_idle = False

    def __len__(self) -> int:
        return sum(len(leases) for leases in self._held.values())

    def next(self) -> Lease | None:
        """The held message to start now: of the highest lane, in the order leased. None when none is held."""
        if self._held[URGENT]:
            return self._held[URGENT].popleft()
        if len(self) and not self._urgent_is_empty():
            self._look_for_urgent()
        return next((leases.popleft() for leases in self._held.values() if leases), None)

    @property
    def first_s(self) -> float:
        """How long a message is leased for at first."""
        return min(self.lease_s, max(FIRST_LEAST_S, self.lease_s * FIRST_SHARE))

    def add(self, message: QueueMessage, *, leased_at: float, first_s: float) -> Lease:
        """Hold a message that was leased for `first_s`."""
        lease = Lease(
            message,
            queue=self._queue,
            clock=self._clock,
            leased_at=leased_at,
            first_s=first_s,
            lease_s=self.lease_s,
            will=self._will,
        )
        self._held[message.queue].append(lease)
        self._keep(lease)
        return lease

    def _look_for_urgent(self) -> None:
        """Look at the urgent lane; one that does not answer keeps nothing of the others from starting."""
        try:
            self._receive(URGENT, 1)
        except DropscoreError as error:
            log.warning("Cannot look for urgent work: %s", error, extra={"action": "lease_failed"})
            self._urgent_empty_at = self._clock.monotonic()

    def fill(self, wanted: Wanted) -> bool:
        """Lease messages if the buffer is low and it is time to ask; True when any came.

        A lane is asked only when those above it gave nothing, and nothing of them waits.
        """
        ahead = wanted.ahead
        if len(self) >= max(wanted.room, (ahead + 1) // 2) or not self._may_ask(wanted):
            return False
        self._asked_at = self._clock.monotonic()
        found = self._ask(min(MOST_PER_CALL, wanted.room + ahead), idle=wanted.idle)
        self.flooded = self.flooded and found
        self._plan_next(wanted, found=found)
        return found

    @property
    def wait_s(self) -> float:
        """Seconds until the next round may be asked for: from 10 ms on when work has just ended, longer when idle."""
        return max(0.0, min(self._ask_at, self._next_look_at()) - self._clock.monotonic())

    def drain(self) -> Iterable[Lease]:
        """Take all held messages out, to give them back."""
        for leases in self._held.values():
            while leases:
                yield leases.popleft()

    def _may_ask(self, wanted: Wanted) -> bool:
        """Whether it is time; also when a shard could start that could not at the last round, or all have ended."""
        now = self._clock.monotonic()
        if wanted.idle and not self._was_idle:
            return True
        turned = wanted.room > 0 and not self._had_room
        return now >= self._ask_at or (turned and now - self._asked_at >= self._busy_wait_s) or self._is_called(now)

    def _next_look_at(self) -> float:
        """When the bell is to be looked at; never while the lanes are asked as often anyway."""
        return float("inf") if self._bell is None or self._wait_s <= BELL_EVERY_S else self._look_at

    def _is_called(self, now: float) -> bool:
        """Whether the bell was rung. Then the lanes are asked at once, and as often as after work."""
        if self._bell is None or now < self._next_look_at():
            return False
        self._look_at = now + BELL_EVERY_S
        if not self._bell():
            return False
        self._wait_s = 0.0
        return True

    def _ask(self, count: int, *, idle: bool) -> bool:
        for queue in self._round(idle):
            if self._receive(queue, count):
                self._last_found = queue
                return True
            if self._held[queue]:
                return False
        return False

    def _round(self, idle: bool) -> Iterator[QueueName]:
        """The lanes to ask in this round: urgent unless it was just seen empty, the lowest only now and then unless
        it has just been giving work.
        """
        if (idle and not self.flooded) or not self._urgent_is_empty():
            yield URGENT
        yield from (queue for queue in LOWER if queue is not LOWEST)
        gives = self._last_found is LOWEST and self._empty_rounds < OFFPEAK_EVERY
        if gives or self._empty_rounds % OFFPEAK_EVERY == 0:
            yield LOWEST

    def _urgent_is_empty(self) -> bool:
        """Whether the urgent lane is known to have been empty a moment ago."""
        return self._clock.monotonic() - self._urgent_empty_at < URGENT_LOOK_S

    def _plan_next(self, wanted: Wanted, *, found: bool) -> None:
        """Set when to ask again: at once after a find, soon while the device waits, later while it is busy."""
        self._had_room, self._was_idle = wanted.room > 0, wanted.idle
        self._empty_rounds = 0 if found else self._empty_rounds + 1
        if found:
            self._wait_s, pause_s = 0.0, 0.0
        elif wanted.idle:
            self._wait_s = min(self._longest_wait_s(), max(FIRST_WAIT_S, self._wait_s * WAIT_GROWTH))
            pause_s = self._wait_s
            self._look_at = self._asked_at + BELL_EVERY_S
        elif wanted.room:
            pause_s = self._busy_wait_s
            self._busy_wait_s = min(BUSY_WAIT_MOST_S, self._busy_wait_s * WAIT_GROWTH)
        else:
            pause_s = FULL_WAIT_S
        if found or wanted.idle:
            self._busy_wait_s = BUSY_WAIT_S
        self._ask_at = self._clock.monotonic() + pause_s

    def _longest_wait_s(self) -> float:
        requests_per_round = len(RANK) - 1 + 1 / OFFPEAK_EVERY
        looks_per_s = 0.0 if self._bell is None else 1 / BELL_EVERY_S
        return requests_per_round / (IDLE_REQUESTS_PER_S - looks_per_s)

    def _receive(self, queue: QueueName, count: int) -> bool:
        """Lease up to `count` messages that can be read. In a flood as many are taken in a call as it gives, and for
        long; what can be read among them is held as ever, its lease cut by the first heartbeat, or given back.
        """
        leased_at = self._clock.monotonic()
        asked, lease_s = (MOST_PER_CALL, FLOOD_LEASE_S) if self.flooded else (count, self.first_s)
        messages = self._queue.receive(queue, count=asked, lease_s=lease_s)
        if queue is URGENT:
            self._urgent_empty_at = leased_at if len(messages) < asked else float("-inf")
        readable = self._sorted(messages, leased_at + lease_s)
        for number, message in enumerate(readable):
            if number < count or not self._give_back(message):
                self.add(message, leased_at=leased_at, first_s=min(lease_s, self.lease_s))
        if messages:
            self.flooded = len(readable) < len(messages)
        return bool(messages)

    def _give_back(self, message: QueueMessage) -> bool:
        """Let others have a message that is more than was wanted; False when it has to be held after all."""
        try:
            self._queue.extend(message, lease_s=0)
        except LeaseLostError:
            return True
        except DropscoreError as error:
            log.warning("A message was not given back: %s", error, extra={"action": "release_failed"})
            return False
        return True

    def _sorted(self, messages: list[QueueMessage], leased_until: float) -> list[QueueMessage]:
        """The messages that can be read; the others are out of the way."""
        if self._junk is None:
            return messages
        readable = []
        for message in messages:
            reason = self._junk.reason(message, flooded=self.flooded)
            if reason is None:
                readable.append(message)
            else:
                self._junk.take(message, reason, leased_until=leased_until)
        return readable
