"""The version of a resource: its time of modification, which only ever grows, and the ETag that follows from it."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def later(now: datetime, than: datetime) -> datetime:
    """`now`, or the next instant after `than` if the clock has not moved on since."""
    return max(now, than + _TICK)


def etag(modified_at: datetime) -> str:
    """The ETag, without quotes, in the form that Azure uses: 100 ns since the year 1 in hexadecimal."""
    return f"0x{(modified_at - _EPOCH) // _TICK * 10:X}"
