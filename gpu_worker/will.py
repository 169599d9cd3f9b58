"""The will: shared memory in which a worker's process notes what must not be lost with it.

The keeper makes it before it forks; the process notes every lease it holds and the items its stages are working on;
whoever comes after it reads what it left (see `slots` for what is sure then). A note takes a few microseconds.
Only quick modules of the standard library are imported: the keeper starts with every worker.
"""

import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from gpu_worker.slots import Cell, Slots

LEASES: Final = 128
WORKS: Final = 256
BODY_BYTES: Final = 2048
"""Largest message body that is kept; we send no larger ones."""

_COUNT = struct.Struct("<Q")
_LEASE = struct.Struct("<IIHHH")  # serial, deliveries, lengths of queue and message id, whether the body is kept
_RECEIPT = struct.Struct("<IddQQII")  # serial of the lease, since, lease_s; then as `LeftPiece`, items 0 for none
_WORK = struct.Struct("<IQId")  # serial of the lease, first item, items, since

_FACTS_SIZE = 2048
_LEASE_SIZE = 12 + _LEASE.size + 192 + BODY_BYTES
_RECEIPT_SIZE = 704
_WORK_SIZE = 12 + _WORK.size + 40
_LEASES_AT = _COUNT.size + _FACTS_SIZE
_RECEIPTS_AT = _LEASES_AT + LEASES * _LEASE_SIZE
_WORKS_AT = _RECEIPTS_AT + LEASES * _RECEIPT_SIZE
SIZE: Final = _WORKS_AT + WORKS * _WORK_SIZE


class State(IntEnum):
    """How far a lease or a piece of work has come."""

    HELD = 1
    """Nothing of it has been opened yet."""
    STARTED = 2
    """Stages work on it."""
    OVER = 3
    """No stage works on it any more; it is being settled."""
    LATE = 4
    """It takes longer than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftWork:
    """Items that a stage was working on when the process ended. `since` is monotonic time."""

    what: str
    items: range
    since: float
    late: bool
    """Whether it had taken longer than its run allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftPiece:
    """The piece of a divided shard that was being scored under the shard's lease; its numbers are those of
    `ShardMessage`, and `deliveries` counts its own tries.
    """

    first_item: int
    items: int
    generation: int
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftLease:
    """A lease that the process held when it ended, as `QueueMessage` and `Lease` describe it."""

    slot: int
    queue: str
    message_id: str
    receipt: str
    body: bytes | None
    """None when it was too long to be kept: none of our messages is."""
    deliveries: int
    since: float
    lease_s: float
    state: State
    work: tuple[LeftWork, ...]
    piece: LeftPiece | None = None


NO_PIECE: Final = LeftPiece(first_item=0, items=0, generation=0, deliveries=0)


class Note:
    """The note of one lease, for the process that holds it. Without a slot it notes nothing.

    A method that changes the lease itself is called by whoever has the lease's lock.
    """

    def __init__(self, will: "Will", serial: int, slot: int | None) -> None:
        self._will = will
        self._serial = serial
        self._slot = slot
        self._receipt = None if slot is None else will.receipt(slot)
        self._piece = NO_PIECE

    def extended(self, receipt: str, since: float, lease_s: float) -> None:
        """The lease has another receipt, and lasts `lease_s` from `since` (monotonic) on."""
        piece = self._piece
        data = _RECEIPT.pack(
            self._serial, since, lease_s, piece.first_item, piece.items, piece.generation, piece.deliveries
        )
        data += receipt.encode()
        if self._receipt is not None and len(data) <= self._receipt.room:
            self._receipt.write(data)

    def narrowed(self, piece: LeftPiece) -> None:
        """From the next `extended` on it says that this piece of what was leased is scored."""
        self._piece = piece

    def started(self) -> None:
        """Stages begin to work on it."""
        self._mark(State.STARTED)

    def over(self) -> None:
        """No stage works on it any more; it is being settled."""
        self._mark(State.OVER)

    def end(self) -> None:
        """The lease is no longer held."""
        slot, self._slot, self._receipt = self._slot, None, None
        if slot is not None:
            self._will.leases.free(slot)

    def begin(self, what: str, items: range, since: float) -> int | None:
        """A stage begins to work on items. Returns what `finish` and `late` take."""
        if self._slot is None or (work := self._will.works.take()) is None:
            return None
        data = _WORK.pack(self._serial, items.start, len(items), since) + what.encode()
        self._will.works.write(work, State.STARTED, data[: self._will.works.room])
        return work

    def finish(self, work: int | None) -> None:
        """The stage has done so."""
        if work is not None:
            self._will.works.free(work)

    def late(self, work: int | None) -> None:
        """The stage takes longer than it may."""
        if work is not None:
            self._will.works.mark(work, State.LATE)

    def _mark(self, state: State) -> None:
        if (slot := self._slot) is not None:
            self._will.leases.mark(slot, state)


class Will:
    """What one process of a worker leaves behind: written by that process, read by those after it."""

    def __init__(self, memory: mmap.mmap | None = None) -> None:
        """`memory` of `SIZE` bytes, empty or a will's; without it some that this process shares with its children."""
        self._memory = mmap.mmap(-1, SIZE) if memory is None else memory
        self._facts = Cell(self._memory, _COUNT.size, _FACTS_SIZE)
        self.leases = Slots(self._memory, _LEASES_AT, count=LEASES, size=_LEASE_SIZE)
        self.works = Slots(self._memory, _WORKS_AT, count=WORKS, size=_WORK_SIZE)
        self._serial = 0

    # --- for the process whose will it is

    def hold(
        self, *, queue: str, message_id: str, receipt: str, body: bytes, deliveries: int, since: float, lease_s: float
    ) -> Note:
        """Note a lease, taken at `since` (monotonic) for `lease_s`. To be called by one thread at a time."""
        self._serial += 1
        name, id_, kept = queue.encode(), message_id.encode(), len(body) <= BODY_BYTES
        data = _LEASE.pack(self._serial, deliveries, len(name), len(id_), kept) + name + id_ + (body if kept else b"")
        slot = self.leases.take() if len(data) <= self.leases.room else None
        note = Note(self, self._serial, slot)
        note.extended(receipt, since, lease_s)
        if slot is not None:
            self.leases.write(slot, State.HELD, data)
        return note

    def introduce(self, facts: Mapping[str, Any]) -> None:
        """Note who the process is, as JSON: replaces what was noted before."""
        self._facts.write(json.dumps(facts).encode())

    def count_settled(self) -> None:
        """Note that one more shard or piece is settled: it has a verdict, or was divided. One thread at a time."""
        _COUNT.pack_into(self._memory, 0, self.settled + 1)

    # --- for whoever comes after

    @property
    def settled(self) -> int:
        """How many shards and pieces were settled."""
        return int(_COUNT.unpack_from(self._memory, 0)[0])

    @property
    def facts(self) -> dict[str, Any]:
        """Who the process was; empty if it said nothing."""
        return dict(json.loads(self._facts.read() or b"{}"))

    def left(self) -> tuple[LeftLease, ...]:
        """The leases held when the process ended."""
        works = self._left_works()
        found = (self._left(slot, state, data, works) for slot, state, data in self.leases.read())
        return tuple(lease for lease in found if lease is not None)

    def strike(self, lease: LeftLease) -> None:
        """Note that this lease has been seen to."""
        self.leases.free(lease.slot)

    def receipt(self, slot: int) -> Cell:
        """Where the receipt of a lease stands."""
        return Cell(self._memory, _RECEIPTS_AT + slot * _RECEIPT_SIZE, _RECEIPT_SIZE)

    def _left(self, slot: int, state: int, data: bytes, works: list[tuple[int, LeftWork]]) -> LeftLease | None:
        serial, deliveries, name, id_, kept = _LEASE.unpack_from(data)
        receipt = self.receipt(slot).read()
        if len(receipt) < _RECEIPT.size or _RECEIPT.unpack_from(receipt)[0] != serial:
            return None
        _, since, lease_s, first_item, items, generation, own = _RECEIPT.unpack_from(receipt)
        piece = LeftPiece(first_item=first_item, items=items, generation=generation, deliveries=own)
        text = data[_LEASE.size :]
        return LeftLease(
            slot=slot,
            queue=text[:name].decode(),
            message_id=text[name : name + id_].decode(),
            receipt=receipt[_RECEIPT.size :].decode(),
            body=text[name + id_ :] if kept else None,
            deliveries=deliveries,
            since=since,
            lease_s=lease_s,
            state=State(state),
            work=tuple(work for of, work in works if of == serial),
            piece=piece if items else None,
        )

    def _left_works(self) -> list[tuple[int, LeftWork]]:
        found = []
        for _, state, data in self.works.read():
            serial, first, items, since = _WORK.unpack_from(data)
            what = data[_WORK.size :].decode(errors="replace")
            late = state == State.LATE
            found.append((serial, LeftWork(what=what, items=range(first, first + items), since=since, late=late)))
        return found
