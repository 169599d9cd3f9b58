"""The worker's log of each run: what it said about it, stored as `logs/<run_id>/<worker>.log`."""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import DropscoreError, NotFoundError

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000
"""Of one run's log by one worker; the oldest lines go first."""
RUNS_KEPT = 64


@dataclass(slots=True)
class _RunLog:
    text: bytearray = field(default_factory=bytearray)
    changed: bool = False
    earlier_read: bool = False
    """Whether what this worker stored in an earlier life stands at the beginning of `text`."""


class RunLogs(logging.Handler):
    """Collects the lines that name a run. Needs a formatter, such as `JsonLines`."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker
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

    def store(self, blobs: BlobStore, run_ids: set[str] | None = None) -> None:
        """Rewrite the logs of these runs (all, if None) that have new lines. A log that cannot be stored waits."""
        with self._guard:
            due = [
                (run_id, kept)
                for run_id, kept in self._logs.items()
                if kept.changed and (run_ids is None or run_id in run_ids)
            ]
        for run_id, kept in due:
            try:
                self._store(blobs, run_id, kept)
            except DropscoreError as error:
                log.warning("A log was not stored: %s", error, extra={"action": "log_failed"})

    def _store(self, blobs: BlobStore, run_id: str, kept: _RunLog) -> None:
        path = layout.log(run_id, self._worker)
        if not kept.earlier_read:
            earlier = _read(blobs, path)
            with self._guard:
                kept.text[:0] = earlier
                kept.earlier_read = True
                _shorten(kept.text)
        with self._guard:
            text, kept.changed = bytes(kept.text), False
        blobs.put(path, text, content_type="application/x-ndjson")


def _read(blobs: BlobStore, path: layout.BlobPath) -> bytes:
    try:
        return blobs.get(path).data
    except NotFoundError:
        return b""


def _shorten(text: bytearray) -> None:
    """Drop whole lines from the beginning until the text fits."""
    if len(text) > MOST_BYTES:
        cut = text.find(b"\n", len(text) - MOST_BYTES) + 1
        del text[: cut or len(text) - MOST_BYTES]
