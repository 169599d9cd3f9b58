"""Types and operators of formulas.

`double` is float, `doubleVec` a tuple of floats, `string` str, `timestamp` datetime, `timeinterval` timedelta.
Comparisons and logic give 1 or 0; a double that is not zero is true.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from localcloud.batch.autoscale.samples import Series


class EvaluationError(Exception):
    """A formula that can be read gave no result this time; the pool stays as it is."""


class DeallocationOption(StrEnum):
    """What happens to the tasks of a node that leaves; written without quotes in formulas."""

    REQUEUE = "requeue"
    TERMINATE = "terminate"
    TASK_COMPLETION = "taskcompletion"
    RETAINED_DATA = "retaineddata"


type Vector = tuple[float, ...]
type Value = float | Vector | DeallocationOption | str | datetime | timedelta | Series

INTERVALS: Mapping[str, timedelta] = {
    "TimeInterval_Zero": timedelta(0),
    "TimeInterval_100ns": timedelta(microseconds=0.1),
    "TimeInterval_Microsecond": timedelta(microseconds=1),
    "TimeInterval_Millisecond": timedelta(milliseconds=1),
    "TimeInterval_Second": timedelta(seconds=1),
    "TimeInterval_Minute": timedelta(minutes=1),
    "TimeInterval_Hour": timedelta(hours=1),
    "TimeInterval_Day": timedelta(days=1),
    "TimeInterval_Week": timedelta(weeks=1),
    "TimeInterval_Year": timedelta(days=365),
}
"""Constants; 100 ns is below the resolution of a local interval and counts as zero."""

_NUMBER_AS_IS = frozenset({"$CurrentDedicatedNodes", "$CurrentLowPriorityNodes"})

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISON: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}
_MIXED: frozenset[tuple[type, str, type]] = frozenset(
    {
        (float, "*", timedelta),
        (timedelta, "*", float),
        (timedelta, "/", float),
        (timedelta, "+", timedelta),
        (timedelta, "-", timedelta),
        (timedelta, "+", datetime),
        (datetime, "+", timedelta),
        (datetime, "-", timedelta),
        (datetime, "-", datetime),
    }
)
"""Arithmetic between other types than doubles and vectors that Azure defines."""


def type_name(value: Value) -> str:
    """A value's type in the language's words."""
    names: Mapping[type, str] = {
        float: "double",
        tuple: "doubleVec",
        str: "string",
        datetime: "timestamp",
        timedelta: "timeinterval",
        Series: "sampled variable",
        DeallocationOption: "deallocation option",
    }
    return names[type(value)]


def plain(value: Value) -> Value:
    """Take a sampled variable as its last sample where Azure allows that, anything else as it is."""
    if not isinstance(value, Series):
        return value
    if value.name not in _NUMBER_AS_IS:
        raise EvaluationError(f"{value.name} is not a number: take a sample with GetSample")
    latest = value.latest(1)
    if not latest:
        raise EvaluationError(f"there is no sample of {value.name} yet")
    return latest[0]


def number(value: Value, what: str) -> float:
    """A value as a double. Raises EvaluationError."""
    value = plain(value)
    if isinstance(value, float):
        return value
    raise EvaluationError(f"{what} must be a double, not a {type_name(value)}")


def is_true(value: Value) -> bool:
    """Whether a value holds: a double other than zero."""
    return number(value, "a condition") != 0


def compute(sign: str, left: Value, right: Value) -> Value:
    """`left sign right` for arithmetic and comparison. Raises EvaluationError."""
    left, right = plain(left), plain(right)
    try:
        if sign in _COMPARISON:
            return _compare(sign, left, right)
        return _calculate(sign, left, right)
    except ZeroDivisionError:
        raise EvaluationError("division by zero") from None
    except (OverflowError, ValueError):
        raise EvaluationError("a number is too large") from None


def negate(sign: str, value: Value) -> Value:
    """`-value` or `!value`. Raises EvaluationError."""
    value = plain(value)
    if sign == "!":
        return float(not is_true(value))
    if isinstance(value, float | timedelta):
        return -value
    if isinstance(value, tuple):
        return tuple(-item for item in value)
    raise EvaluationError(f"there is no -{type_name(value)}")


def _compare(sign: str, left: Value, right: Value) -> Value:
    if type(left) is not type(right) or isinstance(left, tuple):
        raise _undefined(sign, left, right)
    return float(_COMPARISON[sign](left, right))


def _calculate(sign: str, left: Value, right: Value) -> Value:
    act = _ARITHMETIC[sign]
    if isinstance(left, float) and isinstance(right, float):
        return float(act(left, right))
    if isinstance(left, tuple) and isinstance(right, float):
        return tuple(act(item, right) for item in left)
    if isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
        return tuple(act(a, b) for a, b in zip(left, right, strict=True))
    if (type(left), sign, type(right)) in _MIXED:
        result: Value = act(left, right)
        return result
    raise _undefined(sign, left, right)


def _undefined(sign: str, left: Value, right: Value) -> EvaluationError:
    return EvaluationError(f"there is no {type_name(left)} {sign} {type_name(right)}")


def in_text(value: Value) -> str:
    """A value as `evaluateautoscale` prints it."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple):
        return "[" + ",".join(in_text(item) for item in value) + "]"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, Series):
        return value.name
    return str(value)
