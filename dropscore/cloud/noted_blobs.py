"""Blobs that tell what is written through them, so that what this process knows of storage is never behind its own
writes.
"""

from collections.abc import Callable, Iterator, Mapping

from dropscore.cloud.ports import Blob, BlobInfo, BlobStore, ReadableFile
from dropscore.contracts.layout import BlobPath

type Note = Callable[[BlobPath, Mapping[str, str] | None], None]
"""Called after a blob was written, with its metadata; with None after it was deleted."""


class NotedBlobs:
    """A `BlobStore` over another one; `note` is told of every blob that is written or deleted below `prefix`."""

    def __init__(self, blobs: BlobStore, prefix: BlobPath, note: Note) -> None:
        self._blobs = blobs
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
        etag = self._blobs.put(path, data, content_type=content_type, metadata=metadata, if_match=if_match)
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
        created = self._blobs.create(path, data, content_type=content_type, metadata=metadata)
        if created:
            self._tell(path, metadata or {})
        return created

    def get(self, path: BlobPath, *, if_match: str | None = None) -> Blob:
        return self._blobs.get(path, if_match=if_match)

    def get_range(self, path: BlobPath, offset: int, length: int, *, if_match: str | None = None) -> bytes:
        return self._blobs.get_range(path, offset, length, if_match=if_match)

    def head(self, path: BlobPath) -> BlobInfo | None:
        return self._blobs.head(path)

    def list(
        self, prefix: BlobPath, *, start_from: str | None = None, with_metadata: bool = False
    ) -> Iterator[BlobInfo]:
        return self._blobs.list(prefix, start_from=start_from, with_metadata=with_metadata)

    def upload(self, path: BlobPath, source: ReadableFile, *, content_type: str = "application/octet-stream") -> str:
        etag = self._blobs.upload(path, source, content_type=content_type)
        self._tell(path, {})
        return etag

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        self._blobs.copy(source, target)

    def delete(self, path: BlobPath) -> bool:
        deleted = self._blobs.delete(path)
        self._tell(path, None)
        return deleted

    def _tell(self, path: BlobPath, metadata: Mapping[str, str] | None) -> None:
        if path.container is self._prefix.container and path.name.startswith(self._prefix.name):
            self._note(path, metadata)
