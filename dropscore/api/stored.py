"""Reads what is stored of runs."""

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.base import Contract
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.request import RunRecord
from dropscore.contracts.run import RunState, pending


class StoredRuns:
    """The records and states of runs."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def record(self, run_id: str) -> RunRecord | None:
        """What a run was asked for; None when there is no such run."""
        return self._read(RunRecord, layout.request(run_id))

    def state(self, run_id: str) -> RunState | None:
        """The state of a run, pending when nobody has looked at it yet; None when there is no such run."""
        state = self._read(RunState, layout.state(run_id))
        if state is not None:
            return state
        record = self.record(run_id)
        return None if record is None else pending(record)

    def _read[C: Contract](self, contract: type[C], path: BlobPath) -> C | None:
        try:
            return decode(contract, self._blobs.get(path).data)
        except NotFoundError:
            return None
