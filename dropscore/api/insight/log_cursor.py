"""Where somebody stands in the logs of a run: how far each actor's log is read, as a short opaque text.

A worker that has much to say drops its oldest lines, and a container begins anew: so a place is an offset together with
a mark of the line before it, by which it is found again where the bytes have moved.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from zlib import crc32

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

MARKED = 256
"""Bytes at the end of a line that its mark is made of."""
LINE_END = 2
"""Most bytes that end a line."""
_PLACE = struct.Struct(">III")
_VERSION = b"\x01"
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """A place in one log: bytes read, and the mark of the line that ends there."""

    offset: int
    mark: int

    @classmethod
    def behind(cls, line: bytes, offset: int) -> Self:
        """The place behind a line that ends at `offset`."""
        return cls(offset, mark_of(line))


def mark_of(line: bytes) -> int:
    """The mark of a line, whatever ends it."""
    return crc32(line.rstrip(b"\r\n")[-MARKED:])


def actor_key(actor: str) -> int:
    """What stands for an actor in a cursor."""
    return crc32(actor.encode())


def cursor_text(places: Mapping[int, Place]) -> str:
    """The text of a cursor. `places` are by `actor_key`."""
    packed = b"".join(_PLACE.pack(key, place.offset, place.mark) for key, place in sorted(places.items()))
    return urlsafe_b64encode(_VERSION + packed).decode().rstrip("=")


def read_cursor(text: str | None) -> dict[int, Place]:
    """The places of a cursor; none without one. Raises `FailedError` (E-REQUEST-REFERENCE) for a text that is none."""
    if text is None:
        return {}
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= _LONGEST else b""
        places = {key: Place(offset, mark) for key, offset, mark in _PLACE.iter_unpack(data[len(_VERSION) :])}
    except (ValueError, struct.error):
        data, places = b"", {}
    if not data.startswith(_VERSION):
        message = "after: it is no `next` of a page of logs."
        raise FailedError.of(Code.REQUEST_REFERENCE, message, field="after", action="Leave it out.")
    return places
