"""Blobs that tell what is written through them, so that what this process knows of storage is never behind its own
writes.
"""

from collections.abc import Callable, Mapping

from dropscore.cloud.passing_blobs import PassingBlobs
from dropscore.cloud.ports import BlobStore, ReadableFile
from dropscore.contracts.layout import BlobPath

type Note = Callable[[BlobPath, Mapping[str, str] | None], None]
"""Called after a blob was written, with its metadata; with None after it was deleted."""


class NotedBlobs(PassingBlobs):
    """A `BlobStore` over another one; `note` is told of every blob that is written or deleted below `prefix`."""

    def __init__(self, blobs: BlobStore, prefix: BlobPath, note: Note) -> None:
        super().__init__(blobs)
        self._prefix = prefix
        self._note = note

    def put(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> str:
        etag = super().put(path, data, content_type=content_type, metadata=metadata, if_match=if_match)
        self._tell(path, metadata or {})
        return etag

    def create(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        created = super().create(path, data, content_type=content_type, metadata=metadata)
        if created:
            self._tell(path, metadata or {})
        return created

    def upload(self, path: BlobPath, source: ReadableFile, *, content_type: str = "application/octet-stream") -> str:
        etag = super().upload(path, source, content_type=content_type)
        self._tell(path, {})
        return etag

    def delete(self, path: BlobPath) -> bool:
        deleted = super().delete(path)
        self._tell(path, None)
        return deleted

    def _tell(self, path: BlobPath, metadata: Mapping[str, str] | None) -> None:
        if path.container is self._prefix.container and path.name.startswith(self._prefix.name):
            self._note(path, metadata)
