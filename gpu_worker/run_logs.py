"""The worker's log of each run: what it said about it, stored as `logs/<run_id>/<worker>.log`."""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import DropscoreError

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000
"""Of one run's log by one worker; the oldest lines go first."""
RUNS_KEPT = 64
STORE_EVERY_S = 2.0
"""Shortest time between two times that a log is stored: each time all of it is, however little is new."""


@dataclass(slots=True)
class _RunLog:
    text: bytearray = field(default_factory=bytearray)
    changed: bool = False
    stored_at: float = float("-inf")
    first_written: bool = False
    """Whether `text` begins with all that is stored: also what this worker stored in an earlier life."""


class RunLogs(logging.Handler):
    """Collects the lines that name a run. Needs a formatter, such as `JsonLines`."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = self.worker = worker
        self._guard = threading.Lock()
        self._logs: OrderedDict[str, _RunLog] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        run_id = getattr(record, "run_id", None)
        if not isinstance(run_id, str):
            return
        line = self.format(record).encode() + b"\n"
        with self._guard:
            kept = self._logs.setdefault(run_id, _RunLog())
            self._logs.move_to_end(run_id)
            kept.text += line
            kept.changed = True
            _shorten(kept.text)
            while len(self._logs) > RUNS_KEPT:
                self._logs.popitem(last=False)

    def store(self, blobs: BlobStore, *, now: bool = False) -> None:
        """Rewrite the logs that have new lines and were not stored a moment ago; `now`: those as well. A log that
        cannot be stored waits.
        """
        before = time.monotonic() - STORE_EVERY_S
        with self._guard:
            due = [(id_, kept) for id_, kept in self._logs.items() if kept.changed and (now or kept.stored_at < before)]
        for run_id, kept in due:
            try:
                self._store(blobs, run_id, kept)
            except DropscoreError as error:
                log.warning("A log was not stored: %s", error, extra={"action": "log_failed"})

    def _store(self, blobs: BlobStore, run_id: str, kept: _RunLog) -> None:
        path = layout.log(run_id, self._worker)
        text = self._take(kept)
        try:
            if not kept.first_written:
                if blobs.create(path, text):
                    kept.first_written = True
                    return
                self._put_before(kept, blobs.get(path).data)
                text = self._take(kept)
            blobs.put(path, text, content_type="application/x-ndjson")
        except DropscoreError:
            kept.changed = True
            raise

    def _take(self, kept: _RunLog) -> bytes:
        with self._guard:
            kept.changed, kept.stored_at = False, time.monotonic()
            return bytes(kept.text)

    def _put_before(self, kept: _RunLog, earlier: bytes) -> None:
        with self._guard:
            kept.text[:0] = earlier
            kept.first_written = True
            _shorten(kept.text)


def _shorten(text: bytearray) -> None:
    """Drop whole lines from the beginning until the text fits."""
    if len(text) > MOST_BYTES:
        cut = text.find(b"\n", len(text) - MOST_BYTES) + 1
        del text[: cut or len(text) - MOST_BYTES]
