"""Notes in shared memory that can be read whatever happened to the process that wrote them.

A process may end at any instant, even in the middle of a note, and may have written over memory before. So every note
has a checksum, a slot counts once the byte in front of it says so, and that byte is written last.
Only quick modules of the standard library are imported: the keeper starts with every worker.
"""

import mmap
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Final

FREE: Final = 0

_CELL = struct.Struct("<III")  # checksum, number of the note (0: none), length of what follows
_SLOT = struct.Struct("<B3xII")  # state, checksum, length of what follows


class Cell:
    """Bytes that change: two places, written in turn, so that one is always whole. One writer at a time."""

    def __init__(self, memory: mmap.mmap, at: int, size: int) -> None:
        """In `size` bytes of `memory` from `at` on; each note has half of them, less 12."""
        self._memory = memory
        self._places = (at, at + size // 2)
        self.room = size // 2 - _CELL.size
        self._number = max(self._read(place)[0] for place in self._places)

    def write(self, data: bytes) -> None:
        """Replace what was noted. Raises `ValueError` when it is longer than `room`."""
        if len(data) > self.room:
            raise ValueError(f"a note of {len(data)} bytes does not fit into {self.room}")
        self._number += 1
        at = self._places[self._number % 2]
        self._memory[at + _CELL.size : at + _CELL.size + len(data)] = data
        _CELL.pack_into(self._memory, at, zlib.crc32(data, self._number), self._number, len(data))

    def read(self) -> bytes:
        """The newest note that is whole; empty when there is none."""
        return max(self._read(place) for place in self._places)[1]

    def _read(self, at: int) -> tuple[int, bytes]:
        check, number, length = _CELL.unpack_from(self._memory, at)
        data = self._memory[at + _CELL.size : at + _CELL.size + min(length, self.room)]
        return (number, data) if check == zlib.crc32(data, number) else (0, b"")


class Slots:
    """Notes of one kind, each in a slot of its own with a state of 1 to 255. Threads may use different slots."""

    def __init__(self, memory: mmap.mmap, at: int, *, count: int, size: int) -> None:
        """`count` slots of `size` bytes each, in `memory` from `at` on."""
        self._memory = memory
        self._at = at
        self._size = size
        self._count = count
        self._unused = deque(range(count))
        self.room = size - _SLOT.size

    def take(self) -> int | None:
        """A slot for a note, still free for readers; None when all are in use."""
        try:
            return self._unused.popleft()
        except IndexError:
            return None

    def write(self, slot: int, state: int, data: bytes) -> None:
        """Note `data` in a slot that was taken; at most `room` bytes."""
        at = self._at + slot * self._size
        _SLOT.pack_into(self._memory, at, FREE, zlib.crc32(data), len(data))
        self._memory[at + _SLOT.size : at + _SLOT.size + len(data)] = data
        self._memory[at] = state

    def mark(self, slot: int, state: int) -> None:
        """Change the state."""
        self._memory[self._at + slot * self._size] = state

    def free(self, slot: int) -> None:
        """Let a slot be used again."""
        self.mark(slot, FREE)
        self._unused.append(slot)

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Slot, state and bytes of every note that is whole."""
        for slot in range(self._count):
            at = self._at + slot * self._size
            state, check, length = _SLOT.unpack_from(self._memory, at)
            if state != FREE:
                data = self._memory[at + _SLOT.size : at + _SLOT.size + min(length, self.room)]
                if check == zlib.crc32(data):
                    yield slot, state, data
