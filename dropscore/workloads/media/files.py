"""What a decoder is given instead of a file: something to read and seek, and nothing else.

It has no name, so that no path or address can be derived from it, and it remembers the first error a read
raised: FFmpeg takes a failed read for the end of the file, and a passing fault of storage must not look like
a video that is cut off.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from dropscore.workloads.base import Binary

_ZEROS: Final = bytes(1 << 20)


class GuardedFile:
    """Reads and seeks in a binary file.

    The bytes between the offsets of each pair in `hollow` (ascending, not overlapping) are not read: zeros are
    given in their place. The packets' times and sizes in an MP4 file stand in its index, so listing them needs
    none of their content.
    """

    def __init__(self, file: Binary, *, hollow: Sequence[tuple[int, int]] = ()) -> None:
        self._file = file
        self._starts = [start for start, _ in hollow]
        self._ends = [end for _, end in hollow]
        self._at = 0
        self._error: BaseException | None = None
        self.size_bytes = file.seek(0, 2)

    def read(self, size: int) -> bytes:
        """At most `size` bytes from here; fewer at a boundary of what is hollow, none at the end."""
        size = min(size, self.size_bytes - self._at)
        if size <= 0:
            return b""
        data = self._zeros(size) or self._real(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to `offset` from the start (0), from here (1) or from the end (2)."""
        self._at = max(offset + (0, self._at, self.size_bytes)[whence], 0)
        return self._at

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    def check(self) -> None:
        """Raise the first error that a read met, if one did."""
        if self._error is not None:
            raise self._error

    def _zeros(self, size: int) -> bytes:
        nth = bisect_right(self._starts, self._at) - 1
        return _ZEROS[: min(size, self._ends[nth] - self._at)] if nth >= 0 and self._at < self._ends[nth] else b""

    def _real(self, size: int) -> bytes:
        nth = bisect_right(self._starts, self._at)
        boundary = self._starts[nth] if nth < len(self._starts) else self.size_bytes
        try:
            self._file.seek(self._at)
            return self._file.read(min(size, boundary - self._at))
        except BaseException as error:
            self._error = self._error or error
            raise
