"""Reads what is stored of runs."""

import re

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.base import RUN_ID, Contract
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import FailedError, NotFoundError
from dropscore.contracts.failures import Code
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
        """The state of a run, pending when nobody has looked at it yet; None when there is no such run.

        Raises `FailedError` (E-RUN-DELETED).
        """
        state = self._read(RunState, layout.state(run_id))
        if state is not None:
            return state
        record = self.record(run_id)
        if record is not None and record.deleted_at is not None:
            message = f"The run {run_id} was deleted at {record.deleted_at}."
            raise FailedError.of(Code.RUN_DELETED, message, field="run_id")
        return None if record is None else pending(record)

    def require_of(self, tenant: str, run_id: str) -> None:
        """Raise `FailedError` (E-RUN-UNKNOWN) unless there is such a run and it is this tenant's."""
        record = self.record(run_id) if re.fullmatch(RUN_ID, run_id) else None
        if record is None or record.source.tenant != tenant:
            raise unknown_run(run_id)

    def _read[C: Contract](self, contract: type[C], path: BlobPath) -> C | None:
        try:
            return decode(contract, self._blobs.get(path).data)
        except NotFoundError:
            return None


def unknown_run(run_id: str) -> FailedError:
    """There is no such run, as far as the caller may know."""
    return FailedError.of(Code.RUN_UNKNOWN, f"There is no run {run_id!r}.", field="run_id")
