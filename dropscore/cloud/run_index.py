"""The list of runs: one small blob a run, whose metadata tells what a list shows without reading any run.

An entry is written before anything else of a run costs anything, and removed last when the run is deleted: so what is
not on the list has nothing left anywhere. Besides the state it notes what is done to an ended run:

    cleaned    nothing of it is left that costs (see `activities.clean_up`)
    deleted    somebody deleted it, and its blobs are going
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dropscore.cloud.ports import BlobInfo, BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import ContractError
from dropscore.contracts.run import RunState, index_metadata, listed_state

_LOG = logging.getLogger(__name__)
_YES = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run as the list knows it. `modified_at` is storage's time of the last change (UTC, ISO 8601)."""

    state: RunState
    modified_at: str
    cleaned: bool = False
    deleted: bool = False


class RunIndex:
    """Reads and writes the list."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def entries(self) -> Iterator[Entry]:
        """Every run, by id. An entry that cannot be read is left out, and said."""
        for info in self._blobs.list(layout.index_prefix(), with_metadata=True):
            entry = entry_of(info)
            if entry is not None:
                yield entry

    def is_cleaned(self, run_id: str) -> bool:
        """Whether it is noted that nothing of an ended run is left to clean up."""
        info = self._blobs.head(layout.index_entry(run_id))
        return info is not None and info.metadata.get("cleaned") == _YES

    def put(self, state: RunState, *, cleaned: bool = False, deleted: bool = False) -> None:
        """Write a run's entry."""
        self._blobs.put(layout.index_entry(state.run_id), b"", metadata=_metadata(state, cleaned, deleted))

    def create(self, state: RunState) -> None:
        """Write a run's entry unless there is one."""
        path = layout.index_entry(state.run_id)
        self._blobs.create(path, b"", content_type="application/octet-stream", metadata=_metadata(state, False, False))

    def remove(self, run_id: str) -> None:
        """Take a run off the list."""
        self._blobs.delete(layout.index_entry(run_id))


def _metadata(state: RunState, cleaned: bool, deleted: bool) -> Mapping[str, str]:
    marks = {"cleaned": cleaned, "deleted": deleted}
    return index_metadata(state) | {mark: _YES for mark, there in marks.items() if there}


def entry_of(info: BlobInfo) -> Entry | None:
    """What an entry tells; None for one that cannot be read, which is said in the log."""
    run_id = info.path.name.removeprefix(layout.index_prefix().name)
    try:
        state = listed_state(run_id, info.metadata)
    except ContractError as error:
        _LOG.warning("An entry of the list of runs cannot be read: %s", error, extra={"run_id": run_id})
        return None
    cleaned, deleted = (info.metadata.get(mark) == _YES for mark in ("cleaned", "deleted"))
    return Entry(state=state, modified_at=info.modified_at, cleaned=cleaned, deleted=deleted)
