"""Functions, methods and members of the language."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from localcloud.batch.autoscale.samples import Series
from localcloud.batch.autoscale.values import EvaluationError, Value, Vector, number, plain, type_name
from localcloud.emulation.clock import parse_instant


class StopEvaluationError(Exception):
    """`stop()` was called: what has been assigned so far counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What functions may look at besides their arguments."""

    now: datetime
    random: Random


def call(name: str, arguments: Sequence[Value], around: Surroundings) -> Value:
    """The value of `name(arguments)`. Raises EvaluationError, and StopEvaluationError for `stop()`."""
    if name == "stop":
        raise StopEvaluationError
    if name == "rand":
        return around.random.random()
    if name == "time":
        return _time(arguments, around.now)
    if name in _ON_NUMBERS:
        return _each(name, arguments)
    if name in _ON_VECTORS:
        return _ON_VECTORS[name](_flat(name, arguments))
    vector, parameter = _vector_and_number(name, arguments)
    return _percentile(vector, parameter) if name == "percentile" else _element(vector, parameter)


def _time(arguments: Sequence[Value], now: datetime) -> Value:
    if not arguments or arguments[0] == "":
        return now
    if not isinstance(arguments[0], str):
        raise EvaluationError(f"time takes a string, not a {type_name(arguments[0])}")
    try:
        return parse_instant(arguments[0])
    except ValueError:
        raise EvaluationError(f"{arguments[0]!r} is not a time") from None


def _each(name: str, arguments: Sequence[Value]) -> Value:
    if len(arguments) != 1:
        raise EvaluationError(f"{name} takes one argument")
    value = plain(arguments[0])
    try:
        if isinstance(value, tuple):
            return tuple(_ON_NUMBERS[name](item) for item in value)
        return _ON_NUMBERS[name](number(value, f"the argument of {name}"))
    except ValueError:
        raise EvaluationError(f"{name} of a number that is not positive") from None


def _flat(name: str, arguments: Sequence[Value]) -> Vector:
    found: list[float] = []
    for argument in map(plain, arguments):
        found.extend(argument if isinstance(argument, tuple) else (number(argument, f"an argument of {name}"),))
    if not found and name not in {"len", "sum"}:
        raise EvaluationError(f"{name} of nothing")
    return tuple(found)


def _vector_and_number(name: str, arguments: Sequence[Value]) -> tuple[Vector, float]:
    if len(arguments) != 2 or not isinstance(arguments[0], tuple):
        raise EvaluationError(f"{name} takes a doubleVec and a double")
    return arguments[0], number(arguments[1], f"the second argument of {name}")


def _percentile(vector: Vector, percent: float) -> float:
    if not vector or not 0 <= percent <= 100:
        raise EvaluationError("percentile takes samples, and a double from 0 to 100")
    ordered = sorted(vector)
    place = (len(ordered) - 1) * percent / 100
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _element(vector: Vector, index: float) -> float:
    if not (index.is_integer() and 0 <= index < len(vector)):
        raise EvaluationError(f"there is no element {index:g} in a doubleVec of {len(vector)}")
    return vector[int(index)]


_ON_NUMBERS: Mapping[str, Callable[[float], float]] = {"lg": math.log2, "ln": math.log, "log": math.log10}
_ON_VECTORS: Mapping[str, Callable[[Vector], float]] = {
    "avg": statistics.fmean,
    "len": lambda vector: float(len(vector)),
    "max": max,
    "min": min,
    "norm": lambda vector: math.hypot(*vector),
    "range": lambda vector: max(vector) - min(vector),
    "std": statistics.pstdev,
    "sum": lambda vector: float(sum(vector)),
}
NAMES = frozenset({*_ON_NUMBERS, *_ON_VECTORS, "percentile", "rand", "stop", "time", "val"})
METHODS = frozenset({"GetSample", "GetSamplePercent", "GetSamplePeriod", "Count", "HistoryBeginTime"})
MEMBERS: Mapping[str, Callable[[datetime], int]] = {
    "year": lambda at: at.year,
    "month": lambda at: at.month,
    "day": lambda at: at.day,
    "weekday": lambda at: at.isoweekday(),
    "hour": lambda at: at.hour,
    "minute": lambda at: at.minute,
    "second": lambda at: at.second,
}


def member(value: Value, name: str) -> Value:
    """`timestamp.name`; weekday 1 is Monday. Raises EvaluationError."""
    if not isinstance(value, datetime):
        raise EvaluationError(f"a {type_name(value)} has no .{name}")
    return float(MEMBERS[name](value))


def method(value: Value, name: str, arguments: Sequence[Value], around: Surroundings) -> Value:
    """`$variable.name(arguments)`. Raises EvaluationError."""
    if not isinstance(value, Series):
        raise EvaluationError(f"a {type_name(value)} has no {name}")
    if name == "Count":
        return float(len(value.latest(len(value.history))))
    if name == "HistoryBeginTime":
        return value.history.begun_at
    if name == "GetSamplePeriod":
        return value.history.period
    if name == "GetSamplePercent":
        start, end, _ = _span(arguments, around.now, percent=False)
        return value.percent(start, end)
    return _get_sample(value, arguments, around.now)


def _get_sample(series: Series, arguments: Sequence[Value], now: datetime) -> Vector:
    if len(arguments) == 1 and isinstance(arguments[0], float):
        found = series.latest(int(arguments[0]))
    else:
        start, end, wanted = _span(arguments, now, percent=True)
        if (have := series.percent(start, end)) < wanted:
            raise EvaluationError(f"{series.name} has {have:.0f} % of its samples; {wanted:g} % were asked for")
        found = series.between(start, end)
    if not found:
        raise EvaluationError(f"there is no sample of {series.name} in that time")
    return found


def _span(arguments: Sequence[Value], now: datetime, *, percent: bool) -> tuple[datetime, datetime, float]:
    """Start, end and wanted percentage of `(from[, to][, percent])`."""
    values = list(map(plain, arguments))
    wanted = 0.0
    if percent and values and isinstance(last := values[-1], float):
        wanted = last
        values.pop()
    moments = [_moment(value, now) for value in values]
    if not 1 <= len(moments) <= 2:
        raise EvaluationError("a span of samples needs its beginning: a timestamp, or an interval to look back")
    return moments[0], moments[1] if len(moments) == 2 else now, wanted


def _moment(value: Value, now: datetime) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, timedelta):
        try:
            return now - value
        except OverflowError:
            raise EvaluationError("the interval to look back is too long") from None
    raise EvaluationError(f"expected a timestamp or an interval to look back, not a {type_name(value)}")
