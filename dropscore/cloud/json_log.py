"""Log lines as JSON: one object to a line, for stderr and for `logs/<run_id>/<actor>.log`.

A line has `at` (UTC), `level`, `message` and whatever fields the call gave as `extra`: `run_id`, `shard_id`,
`worker`, `action`. A line of an exception has its `traceback`. What looks like a secret is masked.
"""

import json
import logging
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

from dropscore.cloud.clock import utc_text
from dropscore.contracts.masking import masked

_OWN_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""What the standard library puts on a record; everything else came as `extra`."""


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON. `fields` are added to every line; those of the record win."""

    def __init__(self, **fields: str) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": utc_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._fields,
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _OWN_FIELDS}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return masked(json.dumps(line, ensure_ascii=False, default=str))


class LogBuffer(logging.Handler):
    """Keeps the latest lines, up to about `most_bytes`, until somebody takes them."""

    def __init__(self, most_bytes: int = 1_000_000) -> None:
        super().__init__()
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lines: deque[bytes] = deque()
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode() + b"\n"
        with self._guard:
            self._lines.append(line)
            self._bytes += len(line)
            while self._bytes > self._most_bytes and len(self._lines) > 1:
                self._bytes -= len(self._lines.popleft())

    def take(self) -> bytes:
        """All lines kept so far; they are forgotten here."""
        with self._guard:
            taken = b"".join(self._lines)
            self._lines.clear()
            self._bytes = 0
        return taken
