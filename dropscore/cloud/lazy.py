"""A value that is made when it is first needed, once, whichever thread comes first."""

import threading
from collections.abc import Callable


class Lazy[T]:
    """Calls `make` on first use and keeps what it gave. Keeps slow imports out of a process's start."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
