"""NCRONTAB expressions of timer triggers: `{second} {minute} {hour} {day} {month} {day of week}`, in UTC.

Fields hold `*`, numbers, names (JAN…, SUN…), ranges, lists and steps, as in `0 */5 9-17 * * MON-FRI`. Sunday is 0,
and 7 too. Five fields leave out the seconds. Day and weekday must both fit, as in the real host.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr)}
_DAYS = {name.upper(): (number + 1) % 7 for number, name in enumerate(calendar.day_abbr)}
_YEARS_AHEAD = 30


class CronError(ValueError):
    """An expression cannot be read, or never comes true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The moments at which a timer fires: each field but the first holds the values that fit."""

    expression: str
    seconds: Sequence[int]
    minutes: Sequence[int]
    hours: Sequence[int]
    days: Sequence[int]
    months: Sequence[int]
    weekdays: Sequence[int]
    """Sunday is 0."""

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Read an expression of six (or five) fields. Raises `CronError`."""
        fields = expression.split()
        if len(fields) == 5:
            fields = ["0", *fields]
        if len(fields) != 6:
            raise CronError(f"The schedule {expression!r} has {len(fields)} fields, not six.")
        try:
            return cls(
                expression=expression,
                seconds=_values(fields[0], 0, 59),
                minutes=_values(fields[1], 0, 59),
                hours=_values(fields[2], 0, 23),
                days=_values(fields[3], 1, 31),
                months=_values(fields[4], 1, 12, _MONTHS),
                weekdays=sorted({day % 7 for day in _values(fields[5], 0, 7, _DAYS)}),
            )
        except ValueError as error:
            raise CronError(f"The schedule {expression!r} cannot be read: {error}") from error

    def after(self, moment: datetime) -> datetime:
        """The first time after `moment`, both in UTC. Raises `CronError` if there is none within thirty years."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        last = day.replace(year=day.year + _YEARS_AHEAD, day=1)
        while day < last:
            if self._fits(day) and (found := self._on(day, start)) is not None:
                return found
            day += timedelta(days=1)
        raise CronError("The schedule never comes true.")

    def _fits(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _on(self, day: datetime, start: datetime) -> datetime | None:
        """The first time on a day, not before `start`."""
        for hour in self.hours:
            for minute in self.minutes:
                if day.replace(hour=hour, minute=minute, second=59) < start:
                    continue
                for second in self.seconds:
                    if (found := day.replace(hour=hour, minute=minute, second=second)) >= start:
                        return found
        return None


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> list[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, last = _span(span, low, high, names or {}, stepped=bool(step))
        if not low <= first <= last <= high:
            raise ValueError(f"{part!r} is not within {low} to {high}")
        if step and int(step) < 1:
            raise ValueError(f"the step of {part!r} is not positive")
        values.update(range(first, last + 1, int(step or 1)))
    return sorted(values)


def _span(span: str, low: int, high: int, names: dict[str, int], *, stepped: bool) -> tuple[int, int]:
    if span in ("*", "?"):
        return low, high
    first, dash, last = span.partition("-")
    begin = _number(first, names)
    if dash:
        return begin, _number(last, names)
    return begin, high if stepped else begin


def _number(text: str, names: dict[str, int]) -> int:
    return names[text.upper()] if text.upper() in names else int(text)
