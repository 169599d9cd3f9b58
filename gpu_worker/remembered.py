"""Blobs of which those that are never changed are read from storage once, by whichever life of the worker needs them.

A worker that is started again after the death of its process goes on with what lay there: the run, and the records of
its divided shards. It knows most of them, having written them itself.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

from dropscore.cloud.ports import Blob, BlobInfo, BlobStore, ReadableFile
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName
from gpu_worker.records import MOST_BYTES, SIZE, Records

NEVER_CHANGED: Final = frozenset({"admission.json", "inputs.jsonl", "attempts", "splits", "pieces"})
"""Records of a run, and folders of them, that stay as whoever was first wrote them."""


class RememberedBlobs:
    """A `BlobStore` over another one. Thread-safe. What is remembered is told with no ETag."""

    def __init__(self, blobs: BlobStore, records: Records) -> None:
        self._blobs = blobs
        self._records = records
        self._lock = threading.Lock()
        self._known = OrderedDict(records.read())
        self._bytes = sum(map(len, self._known.values()))

    def get(self, path: BlobPath, *, if_match: str | None = None) -> Blob:
        if if_match is not None or not _is_never_changed(path):
            return self._blobs.get(path, if_match=if_match)
        with self._lock:
            data = self._known.get(str(path))
        if data is not None:
            return Blob(data=data, etag="")
        blob = self._blobs.get(path)
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
        created = self._blobs.create(path, data, content_type=content_type, metadata=metadata)
        if created and _is_never_changed(path):
            self._keep(path, data)
        return created

    def delete(self, path: BlobPath) -> bool:
        if _is_never_changed(path):
            self._forget(path)
        return self._blobs.delete(path)

    def put(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> str:
        return self._blobs.put(path, data, content_type=content_type, metadata=metadata, if_match=if_match)

    def get_range(self, path: BlobPath, offset: int, length: int, *, if_match: str | None = None) -> bytes:
        return self._blobs.get_range(path, offset, length, if_match=if_match)

    def head(self, path: BlobPath) -> BlobInfo | None:
        return self._blobs.head(path)

    def list(
        self, prefix: BlobPath, *, start_from: str | None = None, with_metadata: bool = False
    ) -> Iterator[BlobInfo]:
        return self._blobs.list(prefix, start_from=start_from, with_metadata=with_metadata)

    def upload(self, path: BlobPath, source: ReadableFile, *, content_type: str = "application/octet-stream") -> str:
        return self._blobs.upload(path, source, content_type=content_type)

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        self._blobs.copy(source, target)

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
