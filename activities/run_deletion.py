"""Deletes a run that has ended: everything of it, but for the fact that it was.

`request.json` stays, emptied of what was asked: so neither the same trigger file nor the same idempotency key starts
the run again, and who asks for it hears that it was deleted. Inputs and trigger files belong to their user and stay.

1. The list of runs notes it, so that it is not shown, and that the sweep carries on should we end here.
2. `request.json` is emptied.
3. Outputs, logs, the rejection and all else of the run go, as much as there is time for.
4. The run is taken off the list.
"""

from activities.deletion import delete_below
from activities.states import RunStates, read_record
from dropscore.cloud.ports import Cloud
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import Rejection

BUDGET_S = 1.5
"""Time one step may take."""


class RunDeletion:
    """Deletes runs, one bounded step at a time."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._states = RunStates(cloud)
        self._index = RunIndex(cloud.blobs)

    def step(self, run_id: str) -> bool:
        """Delete for `BUDGET_S` at most; False when something is left. Raises `NotFoundError` for no such run."""
        until = self._clock.monotonic() + BUDGET_S
        record = read_record(self._blobs, run_id)
        if record.deleted_at is None:
            self._index.put(self._states.read(run_id), deleted=True)
            self._delete_rejection(record)
            self._blobs.put(layout.request(run_id), encode_bytes(emptied(record, self._clock.now())))
        below = (layout.output(run_id, ""), layout.logs_prefix(run_id), layout.run_prefix(run_id))
        keep = layout.request(run_id)
        if not all(delete_below(self._blobs, self._clock, prefix, until, keep=keep) for prefix in below):
            return False
        self._index.remove(run_id)
        return True

    def _delete_rejection(self, record: RunRecord) -> None:
        """Delete the rejection of the run's trigger, if it is this run's and not a later version's."""
        name = record.source.trigger_name
        if name is None:
            return
        try:
            rejection = decode(Rejection, self._blobs.get(layout.rejected(name)).data)
        except (NotFoundError, ContractError):
            return
        if rejection.run_id == record.run_id:
            self._blobs.delete(layout.rejected(name))


def emptied(record: RunRecord, now: str) -> RunRecord:
    """What stays of a record: which run it was, from what kind of cause, and the digest by which its text is known."""
    return RunRecord(
        run_id=record.run_id,
        source=RunSource(kind=record.source.kind, etag=record.source.etag),
        created_at=record.created_at,
        body=None,
        body_bytes=0,
        body_sha256=record.body_sha256,
        deleted_at=now,
    )
