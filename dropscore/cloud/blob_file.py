"""A blob as a seekable file, held to the version that was admitted."""

import io
import os

from dropscore.cloud.block_cache import BlockCache, BlockKey, FetchMeter
from dropscore.contracts.errors import ContainerGoneError, FailedError, NotFoundError, PreconditionError
from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath


class BlobFile(io.RawIOBase):
    """A read-only binary file over ranges of one version of a blob. Not safe to share between threads.

    It has no `name`: a decoder must not learn a path or an address from it. Reads raise `FailedError`
    (E-INPUT-CHANGED) when the blob is no longer the version `etag` of `size_bytes`, and `TransientCloudError`
    when storage does not answer. Derives from `io.RawIOBase` because decoders ask for that interface.
    """

    def __init__(
        self, cache: BlockCache, path: BlobPath, *, etag: str, size_bytes: int, meter: FetchMeter | None = None
    ) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self.meter = meter or FetchMeter()
        """What reading this file has cost."""
        self._cache = cache
        self._path = path
        self._etag = etag
        self._position = 0
        self._index = -1
        self._block = b""
        self._asked_ahead = -1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a byte offset; behind the end is allowed. Raises ValueError for a place before the beginning."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        if origin + offset < 0:
            raise ValueError(f"a file has no position {origin + offset}")
        self._position = origin + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end of the file; all the rest when negative or None."""
        self._check_open()
        rest = max(0, self.size_bytes - self._position)
        wanted = rest if size is None or size < 0 else min(size, rest)
        first = self._piece(wanted)
        if len(first) == wanted:
            return first
        pieces, missing = [first], wanted - len(first)
        while missing:
            pieces.append(self._piece(missing))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] # typeshed's Buffer is 3.12's
        """Fill a buffer, less only at the end of the file; returns the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _piece(self, most: int) -> bytes:
        """Up to `most` bytes from the position on, out of one block."""
        if most == 0:
            return b""
        index, start = divmod(self._position, self._cache.block_bytes)
        block = self._enter(index)
        piece = block[start : start + most]
        self._position += len(piece)
        if start + len(piece) > len(block) // 2:
            self._ask_ahead(index + 1)
        return piece

    def _enter(self, index: int) -> bytes:
        if index != self._index:
            goes_on = index == self._index + 1 and self._index >= 0
            if goes_on:
                self._ask_ahead(index + 1)
            self._block, self._index = self._fetched(index), index
        return self._block

    def _ask_ahead(self, index: int) -> None:
        if index != self._asked_ahead and index * self._cache.block_bytes < self.size_bytes:
            self._asked_ahead = index
            self._cache.read_ahead(BlockKey(self._path, self._etag, index), self.meter)

    def _fetched(self, index: int) -> bytes:
        try:
            block = self._cache.block(BlockKey(self._path, self._etag, index), self.meter)
        except (PreconditionError, NotFoundError, ContainerGoneError) as error:
            raise self._changed() from error
        if len(block) != min(self._cache.block_bytes, self.size_bytes - index * self._cache.block_bytes):
            raise self._changed()
        return block

    def _changed(self) -> FailedError:
        return FailedError.of(
            Code.INPUT_CHANGED,
            f"the input {self._path.name!r} was changed or deleted while the run was using it",
            input=self._path.name,
        )

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")
