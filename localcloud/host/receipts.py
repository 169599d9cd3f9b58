"""Which version of which blob a function has had, kept on disk so that one version is handled once."""

import json
import threading
from collections.abc import Iterable
from pathlib import Path

SLACK_LINES = 1_000


class Receipts:
    """A file of JSON lines `[function, blob, etag, failures]`; `failures` is null when the blob is done with.

    The last line of a function and blob counts. Thread-safe.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[str, int | None]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._read(path.read_bytes())
        self._lines = 0
        self._file = path.open("ab")
        self._rewrite()

    def is_settled(self, function: str, blob: str, etag: str) -> bool:
        """Whether this version was handled, or has failed for good."""
        with self._lock:
            return self._kept.get((function, blob)) == (etag, None)

    def failures(self, function: str, blob: str, etag: str) -> int:
        """How often handling this version has failed so far."""
        with self._lock:
            kept_etag, failures = self._kept.get((function, blob), ("", 0))
            return (failures or 0) if kept_etag == etag else 0

    def settle(self, function: str, blob: str, etag: str) -> None:
        """Remember that this version is done with."""
        self._note(function, blob, etag, None)

    def fail(self, function: str, blob: str, etag: str) -> int:
        """Count one more failure of this version; returns how many there were in all."""
        failures = self.failures(function, blob, etag) + 1
        self._note(function, blob, etag, failures)
        return failures

    def blobs(self, function: str) -> set[str]:
        """The blobs of which something is known for a function."""
        with self._lock:
            return {blob for kept_function, blob in self._kept if kept_function == function}

    def forget(self, function: str, blobs: Iterable[str]) -> None:
        """Forget blobs that no longer exist."""
        with self._lock:
            for blob in blobs:
                self._kept.pop((function, blob), None)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _note(self, function: str, blob: str, etag: str, failures: int | None) -> None:
        with self._lock:
            self._kept[function, blob] = (etag, failures)
            self._file.write(_line(function, blob, etag, failures))
            self._file.flush()
            self._lines += 1
            if self._lines > 2 * len(self._kept) + SLACK_LINES:
                self._rewrite()

    def _read(self, text: bytes) -> None:
        for line in text.splitlines():
            try:
                function, blob, etag, failures = json.loads(line)
            except ValueError:
                continue  # cut by the death of the process
            self._kept[function, blob] = (etag, failures)

    def _rewrite(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_bytes(b"".join(_line(*key, *kept) for key, kept in self._kept.items()))
        fresh.replace(self._path)
        self._file.close()
        self._file = self._path.open("ab")
        self._lines = len(self._kept)


def _line(function: str, blob: str, etag: str, failures: int | None) -> bytes:
    return json.dumps([function, blob, etag, failures], ensure_ascii=False).encode() + b"\n"
