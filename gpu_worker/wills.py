"""Where the wills of a worker's lives lie: in memory, or as files in a folder of the node.

In a folder they outlive the keeper, too: the next worker on the node finds those whose keeper and process are both
gone, and takes over what they left. The lock on a file, held by whoever may still write to it, tells which they are.
A will speaks of monotonic time, so that one from before the machine's last start is of no use.
Only quick modules of the standard library are imported: the keeper starts with every worker.
"""

import contextlib
import fcntl
import mmap
import os
import time
from typing import Final

from gpu_worker.will import SIZE, Will

BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
SUFFIX: Final = ".will"


class Wills:
    """Makes wills, and finds those that were left. Without a folder, or where none can be used, they lie in memory.
    Used by one thread.
    """

    def __init__(self, folder: str | None = None) -> None:
        """`folder` is the node's own; it is made if need be."""
        self._folder = _usable(folder)
        self._boot = _boot_id()
        self._files: dict[int, tuple[str, int]] = {}

    def new(self) -> Will:
        """A will of its own for a life."""
        if self._folder is None or self._boot is None:
            return Will()
        path = f"{self._folder}/{self._boot}-{time.monotonic_ns():020d}-{os.urandom(4).hex()}{SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return Will()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(descriptor, 0, SIZE)  # a full disk is found here, and not by a signal later
            will = Will(mmap.mmap(descriptor, SIZE))
        except OSError:
            _remove(path)
            os.close(descriptor)
            return Will()
        self._files[id(will)] = path, descriptor
        return will

    def forget(self, will: Will) -> None:
        """A will that is seen to, or will be by this keeper alone."""
        if (file := self._files.pop(id(will), None)) is not None:
            _remove(file[0])
            os.close(file[1])

    def left(self) -> tuple[Will, ...]:
        """The wills of others whose keeper and process are gone, oldest first. They are this keeper's from now on."""
        if self._folder is None:
            return ()
        names = sorted(os.listdir(self._folder))  # noqa: PTH208 - pathlib takes longer to import than all of this
        found = (self._taken(f"{self._folder}/{name}") for name in names if name.endswith(SUFFIX))
        return tuple(will for will in found if will is not None)

    def _taken(self, path: str) -> Will | None:
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while somebody has it
            if not _same_file(path, descriptor):
                return None
            if f"/{self._boot}-" not in path or os.fstat(descriptor).st_size != SIZE:
                _remove(path)
                return None
            will = Will(mmap.mmap(descriptor, SIZE))
            self._files[id(will)] = path, descriptor
            stack.pop_all()
            return will
        return None


def _usable(folder: str | None) -> str | None:
    try:
        if folder:
            os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - as above
            return folder if os.access(folder, os.W_OK) else None
    except OSError:
        pass
    return None


def _boot_id() -> str | None:
    """Which start of the machine this is; None where Linux does not tell."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:  # noqa: PTH123 - as above
            return file.read().strip()
    except OSError:
        return None


def _same_file(path: str, descriptor: int) -> bool:
    """Whether the path is still that of the open file, and not removed by another that had the lock before."""
    here, there = os.fstat(descriptor), os.stat(path)  # noqa: PTH116 - as above
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - as above
