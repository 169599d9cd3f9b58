"""Calls that are due later, all waited for by one thread."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, order=True)
class Alarm:
    """A call that is due at a moment of the monotonic clock; cancelled by clearing `call`."""

    due: float
    number: int
    call: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Never make this call."""
        self.call = None


class Alarms:
    """Makes calls at their time, one after the other, from its own thread."""

    def __init__(self) -> None:
        self._pending: list[Alarm] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def after(self, delay_s: float, call: Callable[[], None]) -> Alarm:
        """Make `call` in `delay_s` seconds, at once if that is not positive."""
        with self._changed:
            alarm = Alarm(due=time.monotonic() + delay_s, number=next(self._numbers), call=call)
            heapq.heappush(self._pending, alarm)
            self._changed.notify()
        return alarm

    def close(self) -> None:
        """Make no more calls and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (alarm := self._next()) is not None:
            if (call := alarm.call) is not None:
                call()

    def _next(self) -> Alarm | None:
        """Wait for the next alarm that is due; None when closed."""
        with self._changed:
            while not self._closed:
                wait = self._pending[0].due - time.monotonic() if self._pending else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._pending)
                self._changed.wait(wait)
        return None
