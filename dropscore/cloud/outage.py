"""Notices that a service is gone, and keeps a process with many threads from storming it.

While requests get answers, this does nothing. After `IN_A_ROW` failures of one client without an answer in between,
its service counts as gone: from then on the whole process asks for it at most `MOST_PER_S` times a second, and who
would have to wait too long for a turn is told so at once. The first answer ends this.
"""

import threading
import time
from collections.abc import Callable

IN_A_ROW = 8
"""Failures in a row that are no chance any more: with every fifth request failing, this happens once in 400,000."""
MOST_PER_S = 3.0
LONGEST_WAIT_S = 1.0
"""For a turn."""


class Turns:
    """Turns to ask for services that are gone, shared by all clients of a process. Thread-safe."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._next_at = 0.0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Wait for a turn; False, at once, when it would take longer than `LONGEST_WAIT_S`."""
        with self._lock:
            now = self._clock()
            wait_s = max(0.0, self._next_at - now)
            if wait_s > LONGEST_WAIT_S:
                return False
            self._next_at = max(now, self._next_at) + 1 / MOST_PER_S
        if wait_s:
            self._sleep(wait_s)
        return True

    def now(self) -> float:
        """Seconds that never go back."""
        return self._clock()


class Line:
    """The line to one service. Thread-safe."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._failures = 0
        self._since = 0.0

    @property
    def silent_s(self) -> float:
        """For how long the service has been gone; 0 while it counts as there."""
        return self._turns.now() - self._since if self._failures >= IN_A_ROW else 0.0

    def open(self) -> bool:
        """Whether a request may go out now, after waiting for a turn if the service is gone."""
        return self._failures < IN_A_ROW or self._turns.take()

    def answered(self) -> None:
        """The service gave an answer."""
        self._failures = 0

    def failed(self) -> None:
        """A request got no answer, or the answer that the service cannot now."""
        if self._failures == 0:
            self._since = self._turns.now()
        self._failures += 1
