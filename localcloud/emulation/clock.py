"""Time as a port, and instants and durations in the forms that Azure writes."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Protocol

UNLIMITED = "P10675199DT2H48M5.4775807S"
"""How Azure Batch writes "no limit"."""
_NO_LIMIT = timedelta(days=10_675_199)

_DURATION = re.compile(
    r"P(?=.)(?:(?P<days>\d{1,8}(?:\.\d+)?)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,12}(?:\.\d+)?)S)?)?"
)


class Clock(Protocol):
    """Where the emulators get the time from."""

    def now(self) -> datetime:
        """The time, in UTC."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def instant(at: datetime) -> str:
    """Format a time as `2025-01-01T00:00:00.0000000Z`: seven digits of a second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def http_date(at: datetime) -> str:
    """Format a time for an HTTP header; parts of a second are lost."""
    return format_datetime(at.astimezone(UTC), usegmt=True)


def parse_http_date(text: str) -> datetime:
    """Read the date of an HTTP header. Raises ValueError."""
    at = parsedate_to_datetime(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of days, hours, minutes and seconds (`PT05M00S` as well as `PT5M`).

    Raises ValueError for any other text.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an ISO 8601 duration")
    return timedelta(**{unit: float(value) for unit, value in match.groupdict().items() if value})


def format_duration(length: timedelta) -> str:
    """Write a duration as Azure does, without zero parts: `PT5M`, `P1DT2H`, `PT0S`, and its own form of no limit."""
    if length >= _NO_LIMIT:
        return UNLIMITED
    seconds, fraction = divmod(round(length.total_seconds() * 1_000_000), 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    decimals = f".{fraction:06d}".rstrip("0") if fraction else ""
    parts = (f"{hours}H" if hours else "", f"{minutes}M" if minutes else "")
    last = f"{seconds}{decimals}S" if seconds or decimals else ""
    time = "".join((*parts, last))
    if not days and not time:
        return "PT0S"
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "")
