"""The in-memory twin of blob storage."""

import threading
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dropscore.cloud.blob_names import check_name
from dropscore.cloud.operations import Operations
from dropscore.cloud.ports import Blob, BlobInfo, Clock, ReadableFile
from dropscore.contracts.errors import NotFoundError, PermanentCloudError, PreconditionError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob as it lies in memory."""

    info: BlobInfo
    data: bytes
    content_type: str


@dataclass(slots=True)
class _Container:
    blobs: dict[str, StoredBlob] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Sorted, so that listing from a name on costs what it lists."""


class MemoryBlobs:
    """A `BlobStore` in memory. Safe to share between threads; `operations` tells what was asked."""

    def __init__(self, clock: Clock, operations: Operations | None = None) -> None:
        self.operations = operations or Operations(remember=True)
        self._clock = clock
        self._lock = threading.RLock()
        self._containers = {name: _Container() for name in ContainerName}
        self._version = 0

    def put(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> str:
        self._ask("blob.put", path)
        with self._lock:
            if if_match is not None:
                _require(path, self.stored(path), if_match)
            return self._write(path, data, content_type, metadata).info.etag

    def create(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        self._ask("blob.put", path)
        with self._lock:
            if self.stored(path) is not None:
                return False
            self._write(path, data, content_type, metadata)
            return True

    def get(self, path: BlobPath, *, if_match: str | None = None) -> Blob:
        self._ask("blob.get", path)
        blob = self._existing(path, if_match)
        return Blob(data=blob.data, etag=blob.info.etag)

    def get_range(self, path: BlobPath, offset: int, length: int, *, if_match: str | None = None) -> bytes:
        self._ask("blob.get", path)
        if offset < 0 or length < 0:
            raise ValueError(f"a range has no negative offset or length, got {offset} and {length}")
        return self._existing(path, if_match).data[offset : offset + length]

    def head(self, path: BlobPath) -> BlobInfo | None:
        self._ask("blob.head", path)
        with self._lock:
            blob = self.stored(path)
        return None if blob is None else blob.info

    def list(
        self, prefix: BlobPath, *, start_from: str | None = None, with_metadata: bool = False
    ) -> Iterator[BlobInfo]:
        self.operations.note("blob.list", str(prefix))
        with self._lock:
            container = self._containers[prefix.container]
            first = bisect_left(container.names, max(prefix.name, start_from or ""))
            found: list[BlobInfo] = []
            for index in range(first, len(container.names)):
                name = container.names[index]
                if not name.startswith(prefix.name):
                    break
                info = container.blobs[name].info
                found.append(info if with_metadata else replace(info, metadata={}))
        return iter(found)

    def upload(self, path: BlobPath, source: ReadableFile, *, content_type: str = "application/octet-stream") -> str:
        self._ask("blob.put", path)
        data = source.read()
        with self._lock:
            return self._write(path, data, content_type, None).info.etag

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        check_name(source)
        self._ask("blob.copy", target)
        if source.container.account is not target.container.account:
            raise PermanentCloudError(f"{source} and {target} are in different storage accounts")
        with self._lock:
            blob = self._existing(source, None)
            self._write(target, blob.data, blob.content_type, blob.info.metadata)

    def delete(self, path: BlobPath) -> bool:
        self._ask("blob.delete", path)
        with self._lock:
            container = self._containers[path.container]
            if container.blobs.pop(path.name, None) is None:
                return False
            del container.names[bisect_left(container.names, path.name)]
            return True

    def stored(self, path: BlobPath) -> StoredBlob | None:
        """A blob as it lies here, for tests; not counted."""
        with self._lock:
            return self._containers[path.container].blobs.get(path.name)

    def names(self, container: ContainerName) -> tuple[str, ...]:
        """Names of all blobs of a container, sorted, for tests; not counted."""
        with self._lock:
            return tuple(self._containers[container].names)

    def _ask(self, kind: str, path: BlobPath) -> None:
        check_name(path)
        self.operations.note(kind, str(path))

    def _existing(self, path: BlobPath, if_match: str | None) -> StoredBlob:
        with self._lock:
            blob = self.stored(path)
        if blob is None:
            raise NotFoundError(f"{path} does not exist")
        if if_match is not None:
            _require(path, blob, if_match)
        return blob

    def _write(self, path: BlobPath, data: bytes, content_type: str, metadata: Mapping[str, str] | None) -> StoredBlob:
        self._version += 1
        info = BlobInfo(
            path=path,
            etag=f"0x{self._version:016X}",
            size_bytes=len(data),
            modified_at=self._clock.now(),
            metadata=dict(metadata or {}),
        )
        blob = StoredBlob(info=info, data=bytes(data), content_type=content_type)
        container = self._containers[path.container]
        if path.name not in container.blobs:
            insort(container.names, path.name)
        container.blobs[path.name] = blob
        return blob


def _require(path: BlobPath, blob: StoredBlob | None, etag: str) -> None:
    if blob is None or blob.info.etag != etag:
        raise PreconditionError(f"{path} is not the version {etag} any more")
