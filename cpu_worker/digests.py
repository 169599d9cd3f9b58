"""Digests of the inputs, made beside the stitching from the same blocks, held to their admitted version."""

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Final

from dropscore.contracts.errors import FailedError
from dropscore.contracts.plan import InputSummary
from dropscore.workloads.base import InputFiles

LOG: Final = logging.getLogger(__name__)
PIECE_BYTES: Final = 4 * 1024 * 1024
MOST_BYTES: Final = 16 * 10**9
"""Inputs beyond this in total are named in the receipt by ETag and size alone: reading on would take minutes."""


class InputDigests:
    """SHA-256 of the inputs whose planner has not made one already. Begins at once, on the threads of `side`."""

    def __init__(self, inputs: InputFiles, summaries: Sequence[InputSummary], side: ThreadPoolExecutor) -> None:
        self._inputs = inputs
        self._stop = Event()
        self._coming: dict[str, Future[str | None]] = {}
        left = MOST_BYTES
        for summary in summaries:
            if summary.sha256 is None:
                left -= inputs.refs[summary.input_index].size_bytes
                if left >= 0:
                    self._coming[summary.name] = side.submit(self._digest, summary)

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

    def _digest(self, summary: InputSummary) -> str | None:
        made = hashlib.sha256()
        try:
            with self._inputs.open(summary.input_index) as file:
                while not self._stop.is_set() and (piece := file.read(PIECE_BYTES)):
                    made.update(piece)
        except FailedError as error:
            LOG.warning("There is no digest of an input: %s", error.failure.message)
            return None
        return None if self._stop.is_set() else made.hexdigest()
