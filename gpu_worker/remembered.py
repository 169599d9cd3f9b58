"""Blobs of which those that are never changed are read from storage once, by whichever life of the worker needs them.

A worker that is started again after the death of its process goes on with what lay there: the run, and the records of
its divided shards. It knows most of them, having written them itself.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from dropscore.cloud.passing_blobs import PassingBlobs
from dropscore.cloud.ports import Blob, BlobStore
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName
from gpu_worker.records import MOST_BYTES, SIZE, Records

NEVER_CHANGED: Final = frozenset({"admission.json", "inputs.jsonl", "attempts", "splits", "pieces"})
"""Records of a run, and folders of them, that stay as whoever was first wrote them."""


class RememberedBlobs(PassingBlobs):
    """A `BlobStore` over another one. Thread-safe. What is remembered is told with no ETag."""

    def __init__(self, blobs: BlobStore, records: Records) -> None:
        super().__init__(blobs)
        self._records = records
        self._lock = threading.Lock()
        self._known = OrderedDict(records.read())
        self._bytes = sum(map(len, self._known.values()))

    def get(self, path: BlobPath, *, if_match: str | None = None) -> Blob:
        if if_match is not None or not _is_never_changed(path):
            return super().get(path, if_match=if_match)
        with self._lock:
            data = self._known.get(str(path))
        if data is not None:
            return Blob(data=data, etag="")
        blob = super().get(path)
        self._keep(path, blob.data)
        return blob

    def create(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        created = super().create(path, data, content_type=content_type, metadata=metadata)
        if created and _is_never_changed(path):
            self._keep(path, data)
        return created

    def delete(self, path: BlobPath) -> bool:
        if _is_never_changed(path):
            self._forget(path)
        return super().delete(path)

    def _keep(self, path: BlobPath, data: bytes) -> None:
        name = str(path)
        with self._lock:
            if not data or len(data) > MOST_BYTES or name in self._known:
                return
            self._known[name] = data
            self._bytes += len(data)
            while self._bytes > SIZE:
                self._bytes -= len(self._known.popitem(last=False)[1])
        self._records.add(name, data)

    def _forget(self, path: BlobPath) -> None:
        with self._lock:
            self._bytes -= len(self._known.pop(str(path), b""))
        self._records.add(str(path), b"")


def _is_never_changed(path: BlobPath) -> bool:
    parts = path.name.split("/")
    if path.container is ContainerName.MODELS:
        return len(parts) == 4 and parts[2] == "profiles"
    return path.container is ContainerName.RUNS and len(parts) > 1 and parts[1] in NEVER_CHANGED
