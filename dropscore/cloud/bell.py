"""The bell: one small blob that changes when work is coming.

A worker with nothing to do looks at it instead of asking three queues at short intervals. It is rung when a plan is
begun and when shards are put on a queue. A ring that is lost changes nothing: workers ask the queues anyway, only
less often.
"""

import logging

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import DropscoreError

log = logging.getLogger(__name__)


def ring(blobs: BlobStore, run_id: str) -> None:
    """Say that there is work for a run, or soon will be."""
    try:
        blobs.put(layout.bell(), run_id.encode(), content_type="text/plain")
    except DropscoreError as error:
        log.warning("The bell was not rung: %s", error)


class Bell:
    """Listens to the bell. Used by one thread."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._heard: str | None = None
        self._listens = False

    def rang(self) -> bool:
        """Whether it was rung since the last call; the first call only learns how it stands."""
        try:
            found = self._blobs.head(layout.bell())
        except DropscoreError:
            return False
        etag = None if found is None else found.etag
        rung = self._listens and etag != self._heard
        self._heard, self._listens = etag, True
        return rung
