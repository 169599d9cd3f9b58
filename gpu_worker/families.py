"""Pieces that are scored where their shard was divided, one after the other, under the lease of its message.

That spares each of them the way over the queue, where it would come behind all that waits, and several requests. What
has not begun after `IN_PLACE_S` goes that way after all, so that other workers share it. Nothing is lost with the
process: the shard's message, delivered again, has the division gone on with (`Pieces.resume`).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dropscore.cloud.ports import Clock
from dropscore.contracts.plan import ShardMessage
from dropscore.contracts.quarantine import Attempt
from gpu_worker.attempts import concerns
from gpu_worker.leases import Lease
from gpu_worker.will import LeftPiece

IN_PLACE_S: Final = 10.0
MOST_DELIVERIES: Final = 8
"""Of a message that was delivered more often the pieces go over the queue, each with a count of its own: whatever ends
workers without leaving a record is found by it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A piece that waits. `known` are all attempts that concern it; `due` is the monotonic time to begin it at."""

    message: ShardMessage
    known: tuple[Attempt, ...]
    due: float

    @property
    def deliveries(self) -> int:
        """The number of the try that comes."""
        return 1 + sum(one.range == self.message.range for one in self.known)

    @property
    def note(self) -> LeftPiece:
        """What is noted in the will while it is scored."""
        asked = self.message.range
        return LeftPiece(
            first_item=asked.first_item,
            items=asked.items,
            generation=self.message.generation,
            deliveries=self.deliveries,
        )


class Family:
    """The pieces of one message's shard, and those they are divided into. Thread-safe.

    It is made while the shard itself is being settled, and that counts as one that is under way.
    """

    def __init__(self, lease: Lease, *, now: float) -> None:
        self.lease = lease
        self._until = now + IN_PLACE_S
        self._waiting: list[Member] = []
        self._under_way = 1
        self._lock = threading.Lock()

    def add(self, members: Iterable[Member]) -> None:
        """Let pieces wait."""
        with self._lock:
            self._waiting.extend(members)

    def next(self, now: float) -> Member | None:
        """The piece to begin, which counts as under way from now on; None while another is, or before any is due."""
        with self._lock:
            found = None if self._under_way else next((one for one in self._waiting if one.due <= now), None)
            if found is not None:
                self._waiting.remove(found)
                self._under_way += 1
            return found

    def overdue(self, now: float) -> list[Member]:
        """The pieces that are to go over the queue; if there are any, their sending counts as under way."""
        with self._lock:
            late = [one for one in self._waiting if max(now, one.due) > self._until]
            self._waiting = [one for one in self._waiting if one not in late]
            self._under_way += bool(late)
            return late

    def over(self) -> bool:
        """What was under way is not any more. True when nothing is left."""
        with self._lock:
            self._under_way -= 1
            return not (self._under_way or self._waiting)

    def in_danger(self) -> bool:
        """Whether a piece waits that has ended a process."""
        with self._lock:
            return any(attempt.death for one in self._waiting for attempt in one.known)

    def rests(self) -> bool:
        """Whether nothing is under way."""
        with self._lock:
            return not self._under_way

    def awaits_sibling(self, message: ShardMessage) -> bool:
        """Whether another piece of the same division waits here: that one will look whether it was the last."""
        with self._lock:
            return any(one.message.cut_from == message.cut_from for one in self._waiting)


class Families:
    """Those of one worker that are not over. `begin` scores a piece, `hand_on` sends pieces over the queue, `let_go`
    deletes the message of one that is over, `give_back` gives back that of one that cannot go on. Thread-safe.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        begin: Callable[[Family, Member], None],
        hand_on: Callable[[Family, list[Member]], None],
        let_go: Callable[[Lease], object],
        give_back: Callable[[Lease], None],
    ) -> None:
        self._clock = clock
        self._begin = begin
        self._hand_on = hand_on
        self._let_go = let_go
        self._give_back = give_back
        self._lock = threading.Lock()
        self._all: list[Family] = []

    def __len__(self) -> int:
        return len(self._all)

    def look(self, has_place: Callable[[], bool]) -> None:
        """One round: begin what is due, where there is place for it. Called by one thread."""
        for family in self._those():
            now = self._clock.monotonic()
            if not family.lease.held:
                if family.rests():
                    self._keep(family, keep=False)
                    self._give_back(family.lease)
                continue
            if late := family.overdue(now):
                self._hand_on(family, late)
            if has_place() and (member := family.next(now)) is not None:
                self._begin(family, member)

    def over(self, family: Family, *, leaving: bool) -> bool:
        """What was under way of it is settled. True when its lease is not needed any more: nothing is left, or it is
        not ours, or the worker leaves, and gives it back.
        """
        ended = family.over()
        if ended:
            self._let_go(family.lease)
        elif leaving or not family.lease.held:
            self._give_back(family.lease)
            ended = True
        self._keep(family, keep=not ended)
        return ended

    def in_danger(self) -> bool:
        """Whether a piece waits that has ended a process."""
        return any(family.in_danger() for family in self._those())

    def resting(self) -> list[Lease]:
        """The leases of those that nothing is under way of."""
        return [family.lease for family in self._those() if family.rests()]

    def _keep(self, family: Family, *, keep: bool) -> None:
        with self._lock:
            self._all = [one for one in self._all if one is not family]
            if keep:
                self._all.append(family)

    def _those(self) -> list[Family]:
        with self._lock:
            return list(self._all)


def members(messages: Iterable[ShardMessage], known: Iterable[Attempt], now: float) -> list[Member]:
    """The pieces to be scored, in order: an item that has ended a process, while little is under way that would be
    lost with the next; what has failed, which may wait for another try meanwhile; what nobody suspects; at last what
    has ended a process and is more than an item.
    """
    attempts = tuple(known)
    found = [Member(message=message, known=_about(message, attempts), due=now) for message in messages]
    return sorted(found, key=_rank)


def _about(message: ShardMessage, attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """The attempts that concern a piece. A death with several items at work says nothing of it any more, when one of
    them, that is not in it, was the only one at work at another.
    """
    piece = message.range
    named = {one.at_work[0] for one in attempts if one.death and len(one.at_work) == 1 and one.at_work[0] not in piece}
    return tuple(
        one for one in attempts if concerns(one, piece) and not (one.death and not named.isdisjoint(one.at_work))
    )


def _rank(member: Member) -> int:
    if any(one.death for one in member.known):
        return 0 if member.message.range.items == 1 else 3
    return 1 if member.known else 2
