"""Deletes many blobs in little time."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import batched, islice

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts.layout import BlobPath

_AT_ONCE = 16


def delete_below(
    blobs: BlobStore, clock: Clock, prefix: BlobPath, until: float, *, keep: BlobPath | None = None
) -> bool:
    """Delete the blobs below a prefix but `keep`, side by side, until `until` on the monotonic clock. False: some are
    left.
    """
    paths = (info.path for info in blobs.list(prefix) if info.path != keep)
    first = list(islice(paths, _AT_ONCE))
    if len(first) < _AT_ONCE:
        for path in first:
            blobs.delete(path)
        return True
    return _delete_side_by_side(blobs, clock, first, paths, until)


def _delete_side_by_side(
    blobs: BlobStore, clock: Clock, first: Iterable[BlobPath], others: Iterator[BlobPath], until: float
) -> bool:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="delete") as side:
        list(side.map(blobs.delete, first))
        for some in batched(others, _AT_ONCE * 4, strict=False):
            if clock.monotonic() >= until:
                return False
            list(side.map(blobs.delete, some))
    return True
