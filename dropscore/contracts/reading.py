"""Reads a request, and says what is wrong with one: every problem a failure that names field, value and fix."""

import difflib
from collections.abc import Iterable

from dropscore.contracts.base import Contract, Json
from dropscore.contracts.codec import decode, parse
from dropscore.contracts.errors import ContractError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.request import RunRequest

_EXACT = 2**53
"""Up to here a double holds every whole number."""
_SHOWN = 20
"""Most problems or names listed in one message."""

type Refusal = tuple[Failure, ...]
"""Why something was refused: one failure or more."""


def read_request(text: str) -> RunRequest | Refusal:
    """Read the JSON text of a request."""
    return read_as(RunRequest, text)


def read_as[C: Contract](contract: type[C], text: str) -> C | Refusal:
    """Read the JSON text of what a user asks for."""
    try:
        value = parse(text.removeprefix("\ufeff"), name="The request")
    except ContractError as error:
        return tuple(_malformed(where, reason) for where, reason in error.problems)
    value = _with_whole_numbers(value)
    if not isinstance(value, dict):
        return (failure(Code.REQUEST_FIELD, "The request is no JSON object: it begins with '{' and ends with '}'."),)
    try:
        return decode(contract, value)
    except ContractError as error:
        return field_failures(error, contract, Code.REQUEST_FIELD)


def ends_early(text: str) -> bool:
    """Whether a text is empty, or JSON whose end is missing: as a file looks that is still being written."""
    text = text.removeprefix("\ufeff").strip()
    if not text.startswith(("{", "[")):
        return not text
    depth, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        else:
            depth += (character in "{[") - (character in "}]")
    return in_string or depth > 0


def field_failures(error: ContractError, contract: type[Contract], code: Code, *, below: str = "") -> Refusal:
    """A failure of `code` for each problem of a value that does not fit `contract`.

    Fields are named as paths such as `policy.stall_s`, below `below` if given, such as `options`.
    """
    known = tuple(contract.model_fields)
    return tuple(_field_failure(path, reason, known, code, below) for path, reason in error.problems[:_SHOWN])


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, if any is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def listed(names: Iterable[str]) -> str:
    """Names in one line, sorted, with the count of those left out."""
    every = sorted(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more if every else "none"


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to use instead of an unknown name: the nearest one first, then all."""
    every = tuple(known)
    close = nearest(name, every)
    meant = f"Did you mean {close!r}? " if close else ""
    return f"{meant}Known: {listed(every)}."


def _with_whole_numbers(value: Json) -> Json:
    """A value in which 24.0 is the whole number that it is: JSON knows numbers alone, and some programs write it so."""
    match value:
        case float():
            return int(value) if value.is_integer() and abs(value) <= _EXACT else value
        case list():
            return [_with_whole_numbers(one) for one in value]
        case dict():
            return {name: _with_whole_numbers(one) for name, one in value.items()}
    return value


def _malformed(where: str, reason: str) -> Failure:
    place = "" if where == "$" else f" at {where}"
    return failure(Code.REQUEST_MALFORMED, f"The request is not valid JSON{place}: {reason}.")


def _field_failure(path: str, reason: str, known: tuple[str, ...], code: Code, below: str) -> Failure:
    inside = path.removeprefix("$").removeprefix(".")
    field = ".".join(part for part in (below, inside) if part) or None
    reason = reason.removeprefix("Value error, ")
    if not inside:
        reason = reason.partition(", got {")[0]
    if field is None:
        return failure(code, f"{reason}.")
    action = None
    if reason == "unknown field" and inside.isidentifier():
        action = suggestion(inside, known)
    elif reason == "missing":
        action = f"Add the field {field!r}."
    return failure(code, f"{field}: {reason}.", field=field, action=action)
