"""The lines: how they look, and what each kind of them does."""

import hashlib
from collections.abc import Iterable
from enum import StrEnum

LINE_BYTES = 24


class Kind(StrEnum):
    """What an item does when it is scored, and in which stage of the worker."""

    GOOD = "good"
    CORRUPT = "corrupt"
    """Source: bad input that names itself."""
    RAISES = "raises"
    """Predict: an exception that nobody expected, for the whole batch."""
    HANGS = "hangs"
    """Predict: never comes back."""
    SEGFAULTS = "segfaults"
    """Predict: the process dies by SIGSEGV."""
    KILLS = "kills"
    """Sink: the process dies by SIGKILL."""
    KILLS_ONCE = "killsonce"
    """Sink: as above, the first time only."""
    BROKEN = "broken"
    """Sink: an exception, until what is broken is mended (see `journal.MENDED`)."""
    NAN = "nan"
    """Predict: a result that is no number."""

    @property
    def is_bad(self) -> bool:
        """Whether such an item can never be published."""
        return self not in (Kind.GOOD, Kind.KILLS_ONCE)


def line_of(kind: Kind, number: int) -> bytes:
    """A line of `LINE_BYTES`, its end included."""
    text = f"{kind:<12}{number:011d}\n".encode()
    assert len(text) == LINE_BYTES
    return text


def file_of(kinds: Iterable[Kind]) -> bytes:
    """A whole input file."""
    return b"".join(line_of(kind, number) for number, kind in enumerate(kinds))


def kind_of(line: bytes) -> Kind:
    """What a line is. Raises ValueError for one that is none."""
    return Kind(line[:12].decode().strip())


def score_of(line: bytes, salt: str) -> str:
    """The result for a line, as 64 hexadecimal digits."""
    return hashlib.sha256(line + salt.encode()).hexdigest()


def share_of(line: bytes) -> float:
    """How long an uneven item takes, as a share of the mean: 0.5 to 1.5."""
    return 0.5 + int.from_bytes(hashlib.sha256(line).digest()[:4]) / 2**32


def result_line(item: int, score: str) -> bytes:
    """One line of the output."""
    return f"{item:09d} {score}\n".encode()
