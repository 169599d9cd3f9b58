"""Ends workers that are there for nobody.

A worker leaves by itself when it has had nothing to do for a while. This is for those that do not: it is called by the
end of a run, once they should have left, and by the sweep.
"""

from datetime import datetime

from activities.ports import Ports
from dropscore.cloud.run_index import Entry, RunIndex
from dropscore.cloud.service_time import ServiceTime, service_time

GRACE_S = 15.0
"""Workers that wait for a node are ended once no run has been under way for so long: another may come at once."""


class IdleWorkers:
    """Looks whether anybody needs workers."""

    def __init__(self, ports: Ports) -> None:
        self._pool = ports.pool
        self._blobs = ports.cloud.blobs
        self._clock = ports.cloud.clock
        self._index = RunIndex(ports.cloud.blobs)
        self._warm_s = ports.warm_s

    def let_go(self) -> int:
        """End the workers that nobody needs, and return how many that were.

        All of them when no run has been under way for longer than idle workers stay, otherwise only those that still
        wait for a node.
        """
        counts = self._pool.counts()
        if counts.running + counts.waiting == 0:
            return 0
        idle_s = idle_for_s(tuple(self._index.entries()), service_time(self._blobs, self._clock))
        if idle_s is None or idle_s < GRACE_S:
            return 0
        everybody = self._warm_s is not None and idle_s >= self._warm_s
        return self._pool.end(waiting_only=not everybody) if everybody or counts.waiting else 0


def idle_for_s(entries: tuple[Entry, ...], now: ServiceTime) -> float | None:
    """Seconds since the last run was under way, in storage's time; None while one is, infinite when there never was.

    A suspended run is not under way: its workers may go, and come back with it.
    """
    if any(is_under_way(entry) for entry in entries):
        return None
    last = max((entry.modified_at for entry in entries), key=datetime.fromisoformat, default=None)
    return float("inf") if last is None else now.since_s(last)


def is_under_way(entry: Entry) -> bool:
    """Whether workers may be needed for a run, now or soon."""
    return not entry.state.status.ended and not entry.deleted and entry.state.suspended_at is None
