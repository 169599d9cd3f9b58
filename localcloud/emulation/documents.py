"""JSON documents on disk. Each write is atomic and is there after a SIGKILL of the process that made it."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

SCHEMA_VERSION = 1


class StateInUseError(Exception):
    """Another process uses this state folder."""


class Documents:
    """Documents by kind and key in one SQLite file, which this process alone may open.

    Writes are not forced to the disk itself: a power cut may lose the last ones, never tear one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(folder / "lock")
        self._database = sqlite3.connect(folder / "state.sqlite", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key))"
        )
        self._forget_other_versions()

    def put(self, kind: str, key: str, body: str) -> None:
        """Write a document, replacing what is there."""
        self._database.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, body))

    def remove(self, kind: str, key: str) -> None:
        """Remove a document, if it is there."""
        self._database.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> list[str]:
        """All documents of a kind, by key."""
        rows = self._database.execute("SELECT body FROM documents WHERE kind = ? ORDER BY key", (kind,))
        return [body for (body,) in rows]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make the writes inside one: all or none."""
        self._database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file and let others use the folder."""
        self._database.close()
        os.close(self._lock)

    def _forget_other_versions(self) -> None:
        """The state of an emulator of another version is of no use: begin anew."""
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            self._database.execute("DELETE FROM documents")
            self._database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateInUseError(f"{path.parent} is in use by another emulator") from None
    return descriptor
