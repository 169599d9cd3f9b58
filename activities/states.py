"""The record of a run that others read: `state.json`, and its entry in the list of runs. What is new in a state is
announced before it is written (see `webhooks.announcing`).
"""

from collections.abc import Callable

from activities.webhooks.announcing import Announcer
from dropscore.cloud.ports import BlobStore, Cloud
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import NotFoundError, PreconditionError, TransientCloudError
from dropscore.contracts.request import RunRecord
from dropscore.contracts.run import REWINDS, RunState, RunStatus, StageTime, pending, way_to

_ATTEMPTS = 10

type Change = Callable[[RunState], RunState]
"""From the state that is stored to the one to store. The same state means that there is nothing to write."""


class RunStates:
    """Reads and changes the states of runs. Concurrent changes follow one another; none is lost."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._index = RunIndex(cloud.blobs)
        self._announcer = Announcer(cloud)

    def read(self, run_id: str) -> RunState:
        """The state of a run; pending when nothing is written yet."""
        return self._read(run_id)[0]

    def begin(self, record: RunRecord, change: Change) -> RunState:
        """Write the first state of a run, or change the one that is there; returns what is stored then."""
        before = pending(record)
        state = change(before)
        return state if self._write(before, state, None) else self.change(record.run_id, change)

    def change(self, run_id: str, change: Change) -> RunState:
        """Change the state of a run that has not ended, and return what is stored then.

        Raises `TransientCloudError` when others keep changing it.
        """
        for _ in range(_ATTEMPTS):
            state, etag = self._read(run_id)
            changed = state if state.status.ended else change(state)
            if changed == state and etag is not None:
                return state
            changed = changed.model_copy(update={"updated_at": self._clock.now()})
            if self._write(state, changed, etag):
                return changed
        raise TransientCloudError(f"the state of {run_id} changed {_ATTEMPTS} times while it was being changed")

    def rewind(self, run_id: str, change: Change) -> RunState:
        """Change the state of a run that failed, and return what is stored then. Any other is left as it is."""
        state, etag = self._read(run_id)
        if state.status not in REWINDS or etag is None:
            return state
        changed = change(state).model_copy(update={"updated_at": self._clock.now()})
        return changed if self._write(state, changed, etag) else self.read(run_id)

    def enter(self, status: RunStatus, detail: str = "", **facts: object) -> Change:
        """The change that brings a run to `status`, by way of the statuses in between, and adds `facts`.

        A status that the run has passed already changes nothing.
        """

        def change(state: RunState) -> RunState:
            way = way_to(state.status, status)
            if not way:
                return state
            now = self._clock.now()
            stages = (*state.stages, *(StageTime(status=step, at=now) for step in way))
            return state.model_copy(update={"status": status, "detail": detail, "stages": stages, **facts})

        return change

    def list_again(self, state: RunState) -> None:
        """Write the run's entry in the list of runs; a crash may have come between its state and this."""
        self._index.put(state)

    def _read(self, run_id: str) -> tuple[RunState, str | None]:
        try:
            blob = self._blobs.get(layout.state(run_id))
        except NotFoundError:
            return pending(read_record(self._blobs, run_id)), None
        return decode(RunState, blob.data), blob.etag

    def _write(self, before: RunState, state: RunState, etag: str | None) -> bool:
        self._announcer.announce(before, state)
        path, data = layout.state(state.run_id), encode_bytes(state)
        written = self._blobs.create(path, data) if etag is None else self._replace(state, data, etag)
        if written:
            self.list_again(state)
        return written

    def _replace(self, state: RunState, data: bytes, etag: str) -> bool:
        try:
            self._blobs.put(layout.state(state.run_id), data, content_type="application/json", if_match=etag)
        except PreconditionError:
            return False
        return True


def read_record(blobs: BlobStore, run_id: str) -> RunRecord:
    """The request of a run as it came."""
    return decode(RunRecord, blobs.get(layout.request(run_id)).data)
