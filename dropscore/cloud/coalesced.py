"""Values that many ask for: each is loaded by one caller at a time, and serves all for a while."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from dropscore.cloud.ports import Clock

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Slot[V]:
    loading: threading.Lock = field(default_factory=threading.Lock)
    loaded: tuple[float, V] | None = None
    """When it was loaded, and what."""


class Coalesced[K: Hashable, V]:
    """Loads values by key. `load` is given the last value, if there is one, to go on from.

    A value is used for `fresh_s` from when it was loaded. For `linger_s` more it is still used, while it is loaded anew
    on a thread, so that nobody who asks often ever waits; where that takes long, for `slow_s` more. At most `most` keys
    are kept; those not asked for longest go. What `load` raises is raised by whoever waited for it.
    """

    def __init__(
        self,
        load: Callable[[K, V | None], V],
        clock: Clock,
        *,
        fresh_s: float,
        linger_s: float = 0.0,
        slow_s: float = 0.0,
        most: int = 64,
    ) -> None:
        self._load = load
        self._clock = clock
        self._fresh_s = fresh_s
        self._linger_s = linger_s
        self._slow_s = slow_s
        self._most = most
        self._guard = threading.Lock()
        self._slots: OrderedDict[K, _Slot[V]] = OrderedDict()

    def __call__(self, key: K) -> V:
        """The value of a key, as it was a moment ago at most."""
        slot = self._slot(key)
        age, value = self._aged(slot)
        if value is not None and age < self._fresh_s:
            return value[0]
        if value is not None and age < self._fresh_s + self._linger_s:
            self._load_aside(key, slot)
            return value[0]
        if value is not None and slot.loading.locked() and age < self._fresh_s + self._linger_s + self._slow_s:
            return value[0]
        with slot.loading:
            age, value = self._aged(slot)
            if value is not None and age < self._fresh_s:
                return value[0]
            return self._loaded(key, slot)

    def __len__(self) -> int:
        return len(self._slots)

    def _slot(self, key: K) -> _Slot[V]:
        with self._guard:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._most:
                self._slots.popitem(last=False)
            return slot

    def _aged(self, slot: _Slot[V]) -> tuple[float, tuple[V] | None]:
        """How old what is there is, in seconds."""
        loaded = slot.loaded
        return (0.0, None) if loaded is None else (self._clock.monotonic() - loaded[0], (loaded[1],))

    def _loaded(self, key: K, slot: _Slot[V]) -> V:
        last = slot.loaded
        value = self._load(key, None if last is None else last[1])
        slot.loaded = (self._clock.monotonic(), value)
        return value

    def _load_aside(self, key: K, slot: _Slot[V]) -> None:
        """Load a value on a thread, unless that is being done."""
        if not slot.loading.acquire(blocking=False):
            return

        def load() -> None:
            try:
                self._loaded(key, slot)
            except Exception as error:  # noqa: BLE001 - whoever waits for it next will be told
                _LOG.warning("Something could not be read anew: %s", error, extra={"action": "refresh_failed"})
            finally:
                slot.loading.release()

        threading.Thread(target=load, name="refresh", daemon=True).start()
