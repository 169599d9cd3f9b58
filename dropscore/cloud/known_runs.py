"""The list of runs as this process knows it: listed about once a second while anybody asks, and never behind what this
process itself has written.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.noted_blobs import NotedBlobs
from dropscore.cloud.ports import BlobInfo, BlobStore, Clock, Cloud
from dropscore.cloud.run_index import Entry, entry_of
from dropscore.contracts import layout
from dropscore.contracts.layout import BlobPath

FRESH_S = 0.75
LINGER_S = 0.75
SLOW_S = 5.0
"""How much older the list may get while storage takes long to list it."""
MOST_NOTED = 1000
FORGET_S = 60.0
"""A write so long ago is in any listing that is still used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """Entries by run, with the version of each; `began_at` is when the listing began."""

    began_at: float
    entries: Mapping[str, tuple[str, Entry | None]] = field(default_factory=dict)


class KnownRuns:
    """Every run. Safe to share between threads."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._guard = threading.Lock()
        self._noted: dict[str, tuple[float, Entry | None]] = {}
        self._listing = Coalesced(self._list, clock, fresh_s=FRESH_S, linger_s=LINGER_S, slow_s=SLOW_S, most=1)

    def entries(self) -> tuple[Entry, ...]:
        """Every run that is on the list, in no order."""
        listing = self._listing(None)
        known = {run_id: entry for run_id, (_, entry) in listing.entries.items()}
        with self._guard:
            known |= {run_id: entry for run_id, (at, entry) in self._noted.items() if at >= listing.began_at}
        return tuple(entry for entry in known.values() if entry is not None)

    def note(self, path: BlobPath, metadata: Mapping[str, str] | None) -> None:
        """An entry was written by this process; None: removed."""
        info = BlobInfo(path=path, etag="", size_bytes=0, modified_at=self._clock.now(), metadata=metadata or {})
        entry = None if metadata is None else entry_of(info)
        now = self._clock.monotonic()
        with self._guard:
            self._noted[_run_of(path)] = (now, entry)
            if len(self._noted) > MOST_NOTED:  # nobody asks for the list
                self._noted = {run_id: noted for run_id, noted in self._noted.items() if now - noted[0] < FORGET_S}

    def _list(self, _key: None, last: _Listing | None) -> _Listing:
        began_at = self._clock.monotonic()
        before = {} if last is None else last.entries
        entries: dict[str, tuple[str, Entry | None]] = {}
        for info in self._blobs.list(layout.index_prefix(), with_metadata=True):
            run_id = _run_of(info.path)
            kept = before.get(run_id)
            entries[run_id] = kept if kept and kept[0] == info.etag else (info.etag, entry_of(info))
        still_used = began_at if last is None else last.began_at  # by whoever has just been given the last listing
        with self._guard:
            self._noted = {run_id: noted for run_id, noted in self._noted.items() if noted[0] >= still_used}
        return _Listing(began_at=began_at, entries=entries)


def _run_of(path: BlobPath) -> str:
    return path.name.removeprefix(layout.index_prefix().name)


def with_known_runs(cloud: Cloud) -> tuple[Cloud, KnownRuns]:
    """A cloud, and the list of runs that is told of whatever is written through it."""
    known = KnownRuns(cloud.blobs, cloud.clock)
    return replace(cloud, blobs=NotedBlobs(cloud.blobs, layout.index_prefix(), known.note)), known
