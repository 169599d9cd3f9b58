"""Records that are kept in memory, since none of them is ever changed."""

import threading
from collections import OrderedDict
from collections.abc import Callable


class Kept[Key, Record]:
    """The last `most` records that were read or written here. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: OrderedDict[Key, Record] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Record | None:
        """The record; None when it is not here."""
        with self._lock:
            return self._records.get(key)

    def get_or_read(self, key: Key, read: Callable[[], Record]) -> Record:
        """The record, read if it is not here, and kept. Raises what `read` does."""
        known = self.get(key)
        if known is None:
            known = read()
            self.keep(key, known)
        return known

    def keep(self, key: Key, record: Record) -> None:
        """Keep a record; the one that came first goes when there are too many."""
        with self._lock:
            self._records[key] = record
            while len(self._records) > self._most:
                self._records.popitem(last=False)
