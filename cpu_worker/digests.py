"""Digests of the inputs, made beside the stitching: read once more, in pieces, held to their admitted version."""

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Final

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import NotFoundError, PreconditionError
from dropscore.contracts.plan import InputSummary
from dropscore.contracts.request import InputRef

LOG: Final = logging.getLogger(__name__)
PIECE_BYTES: Final = 8 * 1024 * 1024
MOST_BYTES: Final = 16 * 10**9
"""Inputs beyond this in total are named in the receipt by ETag and size alone: reading on would take minutes."""


class InputDigests:
    """SHA-256 of the inputs whose planner has not made one already. Begins at once, on the threads of `side`."""

    def __init__(
        self, blobs: BlobStore, refs: Sequence[InputRef], summaries: Sequence[InputSummary], side: ThreadPoolExecutor
    ) -> None:
        self._blobs = blobs
        self._stop = Event()
        self._coming: dict[str, Future[str | None]] = {}
        left = MOST_BYTES
        for summary in summaries:
            ref = refs[summary.input_index]
            left -= ref.size_bytes
            if summary.sha256 is None and left >= 0:
                self._coming[ref.name] = side.submit(self._digest, ref)

    def result(self) -> dict[str, str]:
        """Name to digest, once all are made. An input that was changed or deleted by now has none: its items were
        scored before that, and its ETag says which version they were.
        """
        made = {name: coming.result() for name, coming in self._coming.items()}
        return {name: digest for name, digest in made.items() if digest is not None}

    def stop(self) -> None:
        """Make no more of them."""
        self._stop.set()
        for coming in self._coming.values():
            coming.cancel()

    def _digest(self, ref: InputRef) -> str | None:
        path = layout.input_file(ref.name)
        made = hashlib.sha256()
        for offset in range(0, ref.size_bytes, PIECE_BYTES):
            if self._stop.is_set():
                return None
            try:
                made.update(self._blobs.get_range(path, offset, PIECE_BYTES, if_match=ref.etag))
            except (NotFoundError, PreconditionError):
                LOG.warning("The input %s is not the admitted version any more.", ref.name)
                return None
        return made.hexdigest()
