"""One sweeper at a time, by storage's time and ETags alone.

Whoever wants to sweep replaces `_sweep/state.json` under the ETag it has read: of two that try at once, one fails. The
holder writes the blob again every few seconds; it is taken for dead when storage's time is `LEASE_S` past the blob's
last change. Two hosts' clocks are never compared, and a holder that was held up itself for that long is only late with
an act that may be done twice.
"""

import uuid

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.cloud.service_time import ServiceTime, service_time
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, NotFoundError, PreconditionError
from dropscore.contracts.sweep import SweepState

LEASE_S = 15.0
"""After so long without a word from its holder, another may sweep."""
BEAT_S = 2.0
"""A holder writes this often."""


class SweepLease:
    """The right to sweep, once it was taken."""

    def __init__(self, blobs: BlobStore, clock: Clock, *, host: str) -> None:
        self._blobs = blobs
        self._clock = clock
        self._host = host
        self._etag: str | None = None
        self._written_at = float("-inf")
        self.state = SweepState(holder="")
        """What the holder has written last."""

    def take(self) -> ServiceTime | None:
        """Take the lease; None when somebody else has it. Returns storage's time."""
        known = self._read()
        if known is not None:
            state, self._etag = known
            if state.holder and not self._is_stale():
                return None
            self.state = state
        if not self.keep(holder=uuid.uuid4().hex):
            return None
        return service_time(self._blobs, self._clock, layout.sweep_state())

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return self._clock.monotonic() - self._written_at >= BEAT_S

    def keep(self, **changes: object) -> bool:
        """Write the state with `changes`, which keeps the lease; False when it was lost."""
        state = self.state.model_copy(update={"host": self._host, "turn": self.state.turn + 1, **changes})
        path, data = layout.sweep_state(), encode_bytes(state)
        written_at = self._clock.monotonic()
        if self._etag is None:
            if not self._blobs.create(path, data):
                return False
            info = self._blobs.head(path)
            etag = info.etag if info else ""
        else:
            try:
                etag = self._blobs.put(path, data, content_type="application/json", if_match=self._etag)
            except PreconditionError:
                return False
        self.state, self._etag, self._written_at = state, etag, written_at
        return True

    def give_back(self, **changes: object) -> None:
        """Let others sweep. Losing this only means that they wait for the lease to run out."""
        self.keep(holder="", **changes)

    def _read(self) -> tuple[SweepState, str] | None:
        try:
            blob = self._blobs.get(layout.sweep_state())
        except NotFoundError:
            return None
        try:
            return decode(SweepState, blob.data), blob.etag
        except ContractError:
            return SweepState(holder=""), blob.etag  # another version's: only the lease is taken over

    def _is_stale(self) -> bool:
        info = self._blobs.head(layout.sweep_state())
        if info is None or info.etag != self._etag:
            return False
        return service_time(self._blobs, self._clock).since_s(info.modified_at) > LEASE_S
