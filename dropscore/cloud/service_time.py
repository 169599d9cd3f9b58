"""Storage's own time, for decisions that must not depend on the clocks of our hosts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.layout import BlobPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """A moment of storage's time, carried on by this process's monotonic clock."""

    at: datetime
    """Storage's time when it was read, in whole seconds in Azure."""
    read_at: float
    clock: Clock

    def now(self) -> datetime:
        """Storage's time now."""
        return self.at + timedelta(seconds=self.clock.monotonic() - self.read_at)

    def since_s(self, moment: str) -> float:
        """Seconds since a moment of storage's time (UTC, ISO 8601)."""
        return (self.now() - datetime.fromisoformat(moment)).total_seconds()


def service_time(blobs: BlobStore, clock: Clock, written: BlobPath | None = None) -> ServiceTime:
    """Read storage's time: from a blob that was `written` just now, or from one written for it."""
    path = written or layout.service_clock()
    if written is None:
        blobs.put(path, b"", content_type="application/octet-stream")
    read_at = clock.monotonic()
    info = blobs.head(path)
    if info is None:
        raise TransientCloudError(f"{path} was deleted while its time was being read")
    return ServiceTime(at=datetime.fromisoformat(info.modified_at), read_at=read_at, clock=clock)
