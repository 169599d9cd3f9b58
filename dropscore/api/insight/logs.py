"""The logs of a run by pages, in the order of time; never more in memory than a page and a piece of each log."""

import heapq
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from dropscore.api.insight.log_cursor import LINE_END, MARKED, Place, actor_key, mark_of
from dropscore.api.insight.log_lines import LinesWanted, line_of
from dropscore.cloud.ports import BlobInfo, BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.http.items import LogLine

MOST_LINES: Final = 2000
MOST_BYTES: Final = 1 << 20
"""Of one page."""
PIECE_BYTES: Final = 128 << 10
"""Read of one log at once."""
SCANNED_BYTES: Final = 8 << 20
"""Looked through for one page; then it ends, even without a line."""
KEPT_BYTES: Final = 2 << 20
"""Looked through for a place that has moved, or for what a console repeats. A worker's log has 1 MB at most."""
SIDE_BY_SIDE: Final = 8
_CONSOLE = re.compile(r"(.+)-\d+\.console")
"""What a container printed lies beside its own log, and mostly says the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Lines, the places behind them, and whether more can be read at once."""

    lines: tuple[LogLine, ...]
    places: Mapping[int, Place]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    order: str
    """Its time, or that of the lines above it where it tells none or an earlier one."""
    actor: str
    data: bytes
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Whole lines from one log. `cut`: more of it is there."""

    lines: list[_Line]
    cut: bool


@dataclass(slots=True, kw_only=True)
class LogReading:
    """Reads one page of the logs that are listed, from `places` on. With `last`, nothing more is to come, and a line
    whose end is missing is told too.
    """

    blobs: BlobStore
    run_id: str
    listed: tuple[BlobInfo, ...]
    places: dict[int, Place]
    wanted: LinesWanted
    last: bool
    _found: list[LogLine] = field(default_factory=list)
    _bytes: int = 0
    _scanned: int = 0
    _own: dict[str, frozenset[bytes]] = field(default_factory=dict)

    def page(self) -> LogLines:
        """The page. Raises what storage does."""
        more = True
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="logs") as side:
            while more and not self._full() and self._scanned < SCANNED_BYTES:
                more = self._take([piece for piece in side.map(self._piece, self._unread()) if piece.lines])
        return LogLines(lines=tuple(self._found), places=self.places, more=more)

    def _unread(self) -> list[BlobInfo]:
        return [
            info
            for info in self.listed
            if self.wanted.actor in (actor := self._actor(info)) and info.size_bytes != self._place(actor).offset
        ]

    def _take(self, pieces: list[_Piece]) -> bool:
        """Take lines in the order of time, as far as all logs have been read; whether there is more to be read."""
        cut = [piece.lines[-1].order for piece in pieces if piece.cut]
        horizon = min(cut, default=None)
        for line in heapq.merge(*(piece.lines for piece in pieces), key=lambda line: line.order):
            if self._full() or (horizon is not None and line.order > horizon):
                return True
            self._tell(line)
        return bool(cut)

    def _tell(self, line: _Line) -> None:
        self.places[actor_key(line.actor)] = line.place
        self._scanned += len(line.data) + 1
        if not line.data or self._is_repeated(line):
            return
        told = line_of(line.actor, line.data)
        if self.wanted(told):
            self._found.append(told)
            self._bytes += len(line.data)

    def _full(self) -> bool:
        return len(self._found) >= MOST_LINES or self._bytes >= MOST_BYTES

    # --- one log

    def _piece(self, info: BlobInfo) -> _Piece:
        actor = self._actor(info)
        place = self._place(actor)
        before = min(MARKED + LINE_END, place.offset)
        data = self._bytes_of(info, place.offset - before, before + PIECE_BYTES)
        head, tail = data[:before], data[before:]
        if place.offset > info.size_bytes or not _stands(head, place):
            offset = self._found_again(info, place)
            tail = self._bytes_of(info, offset, PIECE_BYTES)
            place = Place(offset, place.mark)
        reaches_end = place.offset + len(tail) >= info.size_bytes
        whole = len(tail) if reaches_end and self.last else tail.rfind(b"\n") + 1
        if not whole and len(tail) >= PIECE_BYTES:
            whole = len(tail)  # a line without end: told in pieces
        return _Piece(lines=list(_lines(actor, tail[:whole], place.offset)), cut=not reaches_end)

    def _found_again(self, info: BlobInfo, place: Place) -> int:
        """Where the line before a place ends now; the beginning where it is gone: all that is there is new then."""
        offset = 0
        for line in self._bytes_of(info, 0, KEPT_BYTES).split(b"\n")[:-1]:
            offset += len(line) + 1
            if mark_of(line) == place.mark:
                return offset
        return 0

    def _is_repeated(self, line: _Line) -> bool:
        """Whether a console repeats what stands in the log of the actor itself."""
        console = _CONSOLE.fullmatch(line.actor)
        if console is None or not line.data.startswith(b"{"):
            return False
        if console[1] not in self._own:
            path = layout.log(self.run_id, console[1])
            own = next((info for info in self.listed if info.path == path), None)
            begin = 0 if own is None else max(0, own.size_bytes - KEPT_BYTES)
            data = b"" if own is None else self._bytes_of(own, begin, KEPT_BYTES)
            self._own[console[1]] = frozenset(data.split(b"\n"))
        return line.data in self._own[console[1]]

    def _actor(self, info: BlobInfo) -> str:
        return info.path.name.removeprefix(layout.logs_prefix(self.run_id).name).removesuffix(".log")

    def _place(self, actor: str) -> Place:
        return self.places.get(actor_key(actor), Place(0, 0))

    def _bytes_of(self, info: BlobInfo, offset: int, length: int) -> bytes:
        try:
            return self.blobs.get_range(info.path, offset, length)
        except NotFoundError:
            return b""


def _stands(head: bytes, place: Place) -> bool:
    """Whether a place is where it was: `head` are the bytes before it."""
    if not place.offset:
        return True
    return mark_of(head.rstrip(b"\r\n").rpartition(b"\n")[2]) == place.mark


def _lines(actor: str, data: bytes, offset: int) -> Iterator[_Line]:
    """The lines of a piece that begins at `offset`, each placed in time not before the one above it."""
    order = ""
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        offset += len(line) + (number < len(lines))
        bare = line.rstrip(b"\r")
        order = max(order, _time_of(bare))
        if line or number < len(lines):
            yield _Line(order=order, actor=actor, data=bare, place=Place.behind(bare, offset))


_AT = re.compile(rb'^\{"at": ?"([0-9T:.Z+-]{10,40})"')


def _time_of(line: bytes) -> str:
    """The time of a line of ours, which always stands first; empty for any other."""
    found = _AT.match(line)
    return "" if found is None else found[1].decode()
