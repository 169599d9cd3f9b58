"""Records that are never changed, noted in shared memory, so that the lives after this one need not read them again.

The keeper makes it before it forks; one life at a time writes to it. What storage says counts: this only spares asking.
A process may end at any instant and may have written over memory before, so every record has a checksum, and nothing
behind one that is not whole is believed.
Only quick modules of the standard library are imported: the keeper starts with every worker.
"""

import mmap
import struct
import threading
import zlib
from typing import Final

SIZE: Final = 4 * 2**20
MOST_BYTES: Final = 64 * 1024
"""Longer records are not noted."""

_HEAD = struct.Struct("<IHI")  # checksum, lengths of name and data


class Records:
    """Named records, those that were added last as far as there is room. Thread-safe."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self._lock = threading.Lock()
        self._end = 0

    def add(self, name: str, data: bytes) -> None:
        """Note a record; empty data takes back what was noted under the name. With no room left, all others go."""
        key = name.encode()
        length = _HEAD.size + len(key) + len(data)
        if len(data) > MOST_BYTES:
            return
        with self._lock:
            at = self._end if self._end + length + _HEAD.size <= SIZE else 0
            body = at + _HEAD.size
            self._memory[body + len(key) + len(data) : body + len(key) + len(data) + _HEAD.size] = bytes(_HEAD.size)
            self._memory[body : body + len(key) + len(data)] = key + data
            _HEAD.pack_into(self._memory, at, _check(key, data), len(key), len(data))
            self._end = at + length

    def read(self) -> dict[str, bytes]:
        """All that is whole. Called once by a life, before it adds any: it goes on behind what it found."""
        found: dict[str, bytes] = {}
        with self._lock:
            at = 0
            while at + _HEAD.size <= SIZE:
                check, key_bytes, data_bytes = _HEAD.unpack_from(self._memory, at)
                body, end = at + _HEAD.size, at + _HEAD.size + key_bytes + data_bytes
                key, data = self._memory[body : body + key_bytes], self._memory[body + key_bytes : end]
                if not key_bytes or end > SIZE or check != _check(key, data):
                    break
                found[key.decode()] = data
                at = end
            self._end = at
        return {name: data for name, data in found.items() if data}


def _check(key: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(key))
