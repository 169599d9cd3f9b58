"""Requests that may have taken effect although no answer came."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.layout import BlobPath

MOST = 1000
"""Writes in doubt that are remembered; a doubt of long ago is nobody's any more."""


class Attempts:
    """Whether a request was sent more than once: the policy that repeats calls `note` before each repetition."""

    def __init__(self, *, repeated: bool = False) -> None:
        self.repeated = repeated

    def note(self, **_why: Any) -> None:
        self.repeated = True


class Doubts:
    """Writes of this process of which nobody knows whether they happened. Thread-safe.

    Who got no answer asks again, later and anew. That request, too, may meet what the first one has written.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[BlobPath, bytes], None] = OrderedDict()

    @contextmanager
    def attempts(self, path: BlobPath, data: bytes) -> Iterator[Attempts]:
        """The attempts to write `data`, or to delete, which any word may stand for. They count as repeated from the
        beginning where an earlier call ended without an answer.

        When this one ends so too, in `TransientCloudError`, the doubt stays; otherwise it is gone.
        """
        key = (path, hashlib.sha256(data).digest()) if self._open else None
        attempts = Attempts(repeated=key is not None and self._settled(key))
        try:
            yield attempts
        except TransientCloudError:
            self._doubt((path, hashlib.sha256(data).digest()))
            raise

    def _settled(self, key: tuple[BlobPath, bytes]) -> bool:
        """Forget a doubt; says whether there was one."""
        with self._lock:
            return self._open.pop(key, self) is None

    def _doubt(self, key: tuple[BlobPath, bytes]) -> None:
        with self._lock:
            self._open[key] = None
            while len(self._open) > MOST:
                self._open.popitem(last=False)
