"""Loaded models: each loaded once, shared, kept while memory allows, the least recently used given up first."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from gpu_worker.causes import is_out_of_memory
from gpu_worker.loaded import Loaded

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    loading: Future[Loaded] = field(default_factory=Future)
    users: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCounts:
    """What the cache did so far."""

    hits: int
    misses: int
    evicted: int
    bytes: int


class ModelCache:
    """Models by key, at most `budget_bytes` of weights but for those in use. Thread-safe.

    `freed` is called after models were given up, so that the device gets its memory back.
    """

    def __init__(self, budget_bytes: int, freed: Callable[[], None]) -> None:
        self._budget_bytes = budget_bytes
        self._freed = freed
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._hits = self._misses = self._evicted = 0

    def acquire(self, key: str, load: Callable[[], Loaded]) -> Loaded:
        """A model, loaded if it is not there; one load at a time for each key. To be given back by `release`.

        Raises what `load` raises; that is not remembered, and who waited for it loads by itself. Where the device has
        no memory left for it, models that nobody uses are given up and it is tried once more.
        """
        while (loaded := self._acquire(key, load)) is None:
            pass
        return loaded

    def _acquire(self, key: str, load: Callable[[], Loaded]) -> Loaded | None:
        """The model; None when somebody else's load failed, which need not be so for ours."""
        with self._lock:
            entry = self._entries.get(key)
            ours = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry()
                self._misses += 1
            else:
                self._entries.move_to_end(key)
                self._hits += 1
            entry.users += 1
        try:
            return self._load(entry, load) if ours else replace(entry.loading.result(), load_s=0.0)
        except BaseException as error:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            if not ours:
                return None
            entry.loading.set_exception(error)
            raise

    def release(self, key: str) -> None:
        """A model is not used any more by one that acquired it."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                entry.users -= 1
        self._trim(self._budget_bytes)

    def counts(self) -> CacheCounts:
        """What the cache did so far, and how many bytes of weights it holds."""
        with self._lock:
            return CacheCounts(hits=self._hits, misses=self._misses, evicted=self._evicted, bytes=self._bytes())

    def _load(self, entry: _Entry, load: Callable[[], Loaded]) -> Loaded:
        started = time.perf_counter()
        try:
            loaded = load()
        except Exception as error:
            if not is_out_of_memory(error) or not self._trim(0):
                raise
            loaded = load()
        loaded = replace(loaded, load_s=time.perf_counter() - started)
        entry.loading.set_result(loaded)
        self._trim(self._budget_bytes)
        log.info(
            "Loaded a model in %.2f s.",
            loaded.load_s,
            extra={
                "action": "model_loaded",
                "precision": loaded.profile.precision,
                "bytes": loaded.scorer.memory_bytes,
            },
        )
        return loaded

    def _trim(self, most_bytes: int) -> bool:
        """Give up models nobody uses, the oldest first, until at most this much is held; True when any went."""
        gone = 0
        with self._lock:
            for key in list(self._entries):
                if self._bytes() <= most_bytes:
                    break
                entry = self._entries[key]
                if entry.users == 0 and entry.loading.done():
                    del self._entries[key]
                    gone += 1
            self._evicted += gone
        if gone:
            self._freed()
        return bool(gone)

    def _bytes(self) -> int:
        loaded = (entry.loading.result() for entry in self._entries.values() if entry.loading.done())
        return sum(model.scorer.memory_bytes for model in loaded)
