"""Blocks of blobs kept in memory, shared by all files of one process: each is fetched once, whoever reads it."""

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts.errors import DropscoreError, TransientCloudError
from dropscore.contracts.layout import BlobPath

BLOCK_BYTES = 4 * 1024 * 1024
"""Smaller requests waste most of a connection; larger ones make the first frame wait."""
BUDGET_BYTES = 64 * 1024 * 1024


class FetchMeter:
    """What reading has cost. Safe to share between threads.

    Attributes:
        requests: blocks asked from storage on behalf of this meter, read-ahead included.
        fetched_bytes: their size.
        wait_s: seconds readers stood still for a block.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.fetched_bytes = 0
        self.wait_s = 0.0
        self._lock = threading.Lock()

    def add(self, *, requests: int = 0, fetched_bytes: int = 0, wait_s: float = 0.0) -> None:
        with self._lock:
            self.requests += requests
            self.fetched_bytes += fetched_bytes
            self.wait_s += wait_s


@dataclass(frozen=True, slots=True)
class BlockKey:
    """One block of one version of a blob. `index` counts from 0."""

    path: BlobPath
    etag: str
    index: int


@dataclass(slots=True, eq=False)
class _Block:
    """A block that is here or on its way. `done` is set once `data` or `error` is."""

    done: threading.Event = field(default_factory=threading.Event)
    data: bytes = b""
    error: DropscoreError | None = None


class BlockCache:
    """Least recently used blocks, up to `budget_bytes`. Safe to share between threads.

    Readers of a block that is on its way wait for it; nobody fetches it twice. A block that failed to come is
    forgotten, so the next reader tries again. `close` ends the threads that read ahead.
    """

    def __init__(
        self,
        blobs: BlobStore,
        clock: Clock,
        *,
        block_bytes: int = BLOCK_BYTES,
        budget_bytes: int = BUDGET_BYTES,
        readers_ahead: int = 2,
    ) -> None:
        self.block_bytes = block_bytes
        self.total = FetchMeter()
        self._blobs = blobs
        self._clock = clock
        self._budget_bytes = max(budget_bytes, block_bytes)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[BlockKey, _Block] = OrderedDict()
        self._kept_bytes = 0
        self._ahead = ThreadPoolExecutor(readers_ahead, thread_name_prefix="read-ahead")

    def block(self, key: BlockKey, meter: FetchMeter) -> bytes:
        """The bytes of a block (fewer at the blob's end), from memory or from storage.

        Raises what `BlobStore.get_range` does; `PreconditionError` or `NotFoundError` when the version is gone.
        """
        block, is_ours = self._take(key)
        if block.done.is_set() and block.error is None:
            return block.data
        started = self._clock.monotonic()
        if is_ours:
            self._fetch(key, block, meter)
        else:
            block.done.wait()
        waited_s = self._clock.monotonic() - started
        for one in (meter, self.total):
            one.add(wait_s=waited_s)
        if block.error is not None:
            raise block.error
        return block.data

    def read_ahead(self, key: BlockKey, meter: FetchMeter) -> None:
        """Have a block fetched in the background, if it is neither here nor on its way."""
        with self._lock:
            if key in self._blocks:
                return
        with suppress(RuntimeError):  # closed meanwhile
            self._ahead.submit(self._fetch_ahead, key, meter)

    @property
    def kept_bytes(self) -> int:
        """Bytes of the blocks in memory."""
        with self._lock:
            return self._kept_bytes

    def close(self) -> None:
        """Stop reading ahead. Blocks in memory stay readable."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def _take(self, key: BlockKey) -> tuple[_Block, bool]:
        """The block of a key, and whether the caller must fetch it."""
        with self._lock:
            block = self._blocks.get(key)
            if block is not None:
                self._blocks.move_to_end(key)
                return block, False
            block = self._blocks[key] = _Block()
            return block, True

    def _fetch_ahead(self, key: BlockKey, meter: FetchMeter) -> None:
        block, is_ours = self._take(key)
        if is_ours:
            self._fetch(key, block, meter)

    def _fetch(self, key: BlockKey, block: _Block, meter: FetchMeter) -> None:
        try:
            block.data = self._blobs.get_range(
                key.path, key.index * self.block_bytes, self.block_bytes, if_match=key.etag
            )
            self._keep(block)
        except DropscoreError as error:
            self._forget(key, block, error)
        except BaseException:
            self._forget(key, block, TransientCloudError(f"reading {key.path} was interrupted"))
            raise
        finally:
            block.done.set()
            for one in (meter, self.total):
                one.add(requests=1, fetched_bytes=len(block.data))

    def _forget(self, key: BlockKey, block: _Block, error: DropscoreError) -> None:
        """A block does not come: who waits for it gets the error, who asks later tries again."""
        block.error = error
        with self._lock:
            del self._blocks[key]

    def _keep(self, block: _Block) -> None:
        with self._lock:
            self._kept_bytes += len(block.data)
            while self._kept_bytes > self._budget_bytes:
                oldest = next(
                    (key for key, one in self._blocks.items() if one.done.is_set() and one is not block), None
                )
                if oldest is None:
                    return
                self._kept_bytes -= len(self._blocks.pop(oldest).data)
