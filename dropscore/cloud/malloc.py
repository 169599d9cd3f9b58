"""What glibc's allocator does with memory that is freed, said to it by `mallopt`."""

import ctypes
import sys
from collections.abc import Mapping

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8
FRUGAL: Mapping[int, int] = {M_ARENA_MAX: 1, M_MMAP_THRESHOLD: 2**17, M_TRIM_THRESHOLD: 2**17}
"""For a process of many threads that lives long: one arena instead of eight for each core, each of which keeps what
its threads needed most at once; and large buffers are handed back whatever was freed before.
"""


def tell_malloc(settings: Mapping[int, int]) -> bool:
    """Set parameters of `mallopt`; to be called before the first thread.

    They win over the environment (`MALLOC_ARENA_MAX` and so on). Returns False where the C library is not glibc, and
    then changes nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return all(libc.mallopt(parameter, value) == 1 for parameter, value in settings.items())
