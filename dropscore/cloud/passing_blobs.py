"""Blobs that pass everything on: what stands before another store overrides what it does differently."""

from collections.abc import Iterator, Mapping

from dropscore.cloud.ports import Blob, BlobInfo, BlobStore, ReadableFile
from dropscore.contracts.layout import BlobPath


class PassingBlobs:
    """A `BlobStore` over another one."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

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

    def create(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        return self._blobs.create(path, data, content_type=content_type, metadata=metadata)

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
        return self._blobs.upload(path, source, content_type=content_type)

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        self._blobs.copy(source, target)

    def delete(self, path: BlobPath) -> bool:
        return self._blobs.delete(path)
