"""Room on the container's disk for outputs: looked at before they are made, and told in words when it ends."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def room_for(folder: Path, needed_bytes: int) -> Iterator[None]:
    """Make outputs of about this size in a folder.

    Raises `FailedError` (E-DISK-FULL) when the disk has less to give, before anything is written, or when it is full
    in the middle.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise _full(f"the outputs take about {needed_bytes} bytes, and the container's disk has {free} left")
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _full(f"the container's disk was full while outputs of about {needed_bytes} bytes were made") from error


def _full(message: str) -> FailedError:
    return FailedError.of(Code.DISK_FULL, message)
