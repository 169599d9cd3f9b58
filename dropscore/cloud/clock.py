"""Clocks: the machine's, and one that tests move by hand."""

import threading
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock."""

    def now(self) -> str:
        return utc_text(datetime.now(UTC))

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until `advance` is called. Safe to share between threads."""

    def __init__(self, start: str = "2026-01-01T00:00:00.000000Z") -> None:
        self._start = datetime.fromisoformat(start)
        self._elapsed_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> str:
        with self._lock:
            return utc_text(self._start + timedelta(seconds=self._elapsed_s))

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move both times forward. Raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError(f"time does not go back, got {seconds} s")
        with self._lock:
            self._elapsed_s += seconds


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`, which sorts as text. `moment` must know its time zone."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
