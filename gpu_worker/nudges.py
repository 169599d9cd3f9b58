"""Tells the orchestration of a run to look again: seldom while the run's shards go on here, at once after the last."""

import logging
import threading
from collections import Counter, OrderedDict

from dropscore.cloud.ports import Clock, MessageQueue
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import RunEvent

log = logging.getLogger(__name__)

LAST_S = 1.0
"""Shortest time between two nudges for the last shard here, where that is so again and again: one that comes sooner is
sent to be seen this much later.
"""
RUNS_KEPT = 256
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
        self._last_at: OrderedDict[str, float] = OrderedDict()
        """When the newest nudge for a last shard is seen."""

    def leased(self, run_id: str) -> None:
        """One more shard of a run is here."""
        with self._lock:
            self._held[run_id] += 1

    def gone(self, run_id: str, *, settled: bool) -> bool:
        """A shard of a run is no longer here; `settled`: because it has a verdict. True when it was the last here.

        The last one always nudges, so that the end of a run is seen at once, or a second later where one that was the
        last was so a moment ago.
        """
        with self._lock:
            self._held[run_id] -= 1
            last = self._held[run_id] <= 0
            delay_s = self._delay_of_last(run_id) if last and settled else self._delay_of_next(run_id, settled=settled)
            if last:
                del self._held[run_id]
                self._sent_at.pop(run_id, None)
        if delay_s is not None:
            self._send(run_id, delay_s)
        return last

    def _delay_of_next(self, run_id: str, *, settled: bool) -> float | None:
        """Of a nudge while there are more shards here; None when none is due."""
        now = self._clock.monotonic()
        if not settled or now - self._sent_at.get(run_id, float("-inf")) < NUDGE_S:
            return None
        self._sent_at[run_id] = now
        return 0.0

    def _delay_of_last(self, run_id: str) -> float | None:
        """Of a nudge for the last shard here; None when one is still to be seen."""
        now, seen_at = self._clock.monotonic(), self._last_at.get(run_id, float("-inf"))
        if seen_at > now:
            return None
        delay_s = 0.0 if now - seen_at >= LAST_S else LAST_S
        self._last_at[run_id] = now + delay_s
        self._last_at.move_to_end(run_id)
        while len(self._last_at) > RUNS_KEPT:
            self._last_at.popitem(last=False)
        return delay_s

    def _send(self, run_id: str, delay_s: float) -> None:
        """Losing a nudge changes nothing but the time until the run looks by itself."""
        try:
            event = RunEvent(run_id=run_id, reason="shards settled")
            self._queue.send(QueueName.RUN_EVENTS, encode_bytes(event), delay_s=delay_s)
        except DropscoreError as error:
            log.warning("A nudge was not sent: %s", error, extra={"run_id": run_id, "action": "nudge_failed"})
