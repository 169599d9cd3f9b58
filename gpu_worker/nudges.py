"""Tells the orchestration of a run to look again: seldom while the run's shards go on here, at once after the last."""

import logging
import threading
from collections import Counter

from dropscore.cloud.ports import Clock, MessageQueue
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import RunEvent

log = logging.getLogger(__name__)

NUDGE_S = 4.0
"""Shortest time between two nudges of a run that has more shards here. It looks by itself every second or so."""


class Nudges:
    """Counts the shards of each run that this worker holds, and nudges. Thread-safe."""

    def __init__(self, queue: MessageQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._sent_at: dict[str, float] = {}

    def leased(self, run_id: str) -> None:
        """One more shard of a run is here."""
        with self._lock:
            self._held[run_id] += 1

    def gone(self, run_id: str, *, settled: bool) -> bool:
        """A shard of a run is no longer here; `settled`: because it has a verdict. True when it was the last here.

        The last one always nudges, so that the end of a run is seen at once.
        """
        with self._lock:
            self._held[run_id] -= 1
            last = self._held[run_id] <= 0
            now = self._clock.monotonic()
            due = last or now - self._sent_at.get(run_id, float("-inf")) >= NUDGE_S
            if last:
                del self._held[run_id]
                self._sent_at.pop(run_id, None)
            elif due and settled:
                self._sent_at[run_id] = now
        if due and settled:
            self._send(run_id)
        return last

    def _send(self, run_id: str) -> None:
        """Losing a nudge changes nothing but the time until the run looks by itself."""
        try:
            self._queue.send(QueueName.RUN_EVENTS, encode_bytes(RunEvent(run_id=run_id, reason="shards settled")))
        except DropscoreError as error:
            log.warning("A nudge was not sent: %s", error, extra={"run_id": run_id, "action": "nudge_failed"})
