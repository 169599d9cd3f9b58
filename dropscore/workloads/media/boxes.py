"""The boxes of MP4 and QuickTime files (ISO/IEC 14496-12), read without a media library.

Used for two things: to see whether a file is whole before it is opened, and to read our own parts fast (the
packets of a part need no probing).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_BOXES = 1_000_000


class Seekable(Protocol):
    """Something to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes from here."""

    def seek(self, offset: int, /) -> int:
        """Move to an offset from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box: its four letters, where its content starts, and where it ends by its own account (which may lie
    behind the end of the file).
    """

    name: bytes
    start: int
    end: int


def top_boxes(file: Seekable, file_bytes: int) -> Iterator[Box]:
    """The boxes of a file, in order, reading their headers only. Stops at what is no box."""
    yield from boxes_between(file, 0, file_bytes)


def boxes_between(file: Seekable, start: int, end: int) -> Iterator[Box]:
    """The boxes that begin between two offsets of a file, in order, reading their headers only."""
    at = start
    for _ in range(MAX_BOXES):
        if at >= end:
            return
        file.seek(at)
        box = _box(file.read(16), at, end)
        if box is None:
            return
        yield box
        at = box.end


def inner_boxes(data: memoryview, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets of `data`."""
    at = start
    while at < end:
        box = _box(bytes(data[at : at + 16]), at, end)
        if box is None or box.end > end:
            return
        yield box
        at = box.end


def _box(header: bytes, at: int, end: int) -> Box | None:
    if len(header) < 8:
        return None
    size, name = struct.unpack(">I4s", header[:8])
    start = at + 8
    if size == 1:
        if len(header) < 16:
            return None
        size, start = struct.unpack(">Q", header[8:16])[0], at + 16
    elif size == 0:
        size = end - at
    return Box(name=name, start=start, end=at + size) if at + size >= start else None
