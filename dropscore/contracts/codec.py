"""The one strict codec of everything that crosses a wall.

`decode` refuses what the standard parser lets through: duplicate keys, NaN and infinities, numbers too large
for a double, nesting deeper than `MAX_DEPTH`, a byte order mark in the wrong encoding. Every refusal is a
`ContractError` that names the JSON path and the reason.
"""

import json
import math
from typing import Any, NoReturn

from pydantic import ValidationError

from dropscore.contracts.base import Contract, Json
from dropscore.contracts.errors import ContractError

MAX_DEPTH = 64
"""Deepest nesting of arrays and objects accepted."""


def encode(value: Contract) -> Json:
    """The plain JSON value of a contract: what durable payloads hold."""
    plain: Json = value.model_dump(mode="json")
    return plain


def encode_bytes(value: Contract, *, indent: int | None = None) -> bytes:
    """The UTF-8 JSON text of a contract: what blobs and messages hold. The same value gives the same bytes."""
    return value.model_dump_json(indent=indent).encode()


def decode[C: Contract](contract: type[C], payload: Json | bytes | str) -> C:
    """Read a contract from JSON text (`bytes`, `str`) or from an already parsed value.

    Raises `ContractError` when the text is no JSON or does not fit the contract.
    """
    if isinstance(payload, bytes | str):
        payload = parse(payload, name=contract.__name__)
    try:
        return contract.model_validate_json(json.dumps(payload))
    except ValidationError as error:
        raise ContractError(contract.__name__, _problems(error)) from None


def parse(text: bytes | str, *, name: str = "JSON") -> Json:
    """Parse JSON strictly: no duplicate keys, no NaN, no infinities, bounded depth.

    `name` appears in the error. Raises `ContractError`, with line and column where there are some.
    """
    decoded = _to_text(text, name)
    _check_depth(decoded, name)
    try:
        value: Json = json.loads(decoded, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ContractError(name, ((where, error.msg),)) from None
    except (_RefusedError, ValueError, RecursionError) as error:
        raise ContractError(name, (("$", str(error)),)) from None
    return value


class _RefusedError(Exception):
    """Syntactically JSON, but not for us."""


def _to_text(text: bytes | str, name: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContractError(name, ((f"byte {error.start}", "not UTF-8 text"),)) from None


def _check_depth(text: str, name: str) -> None:
    """Refuse deep nesting before the parser recurses into it."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ContractError(name, (("$", f"nested deeper than {MAX_DEPTH} levels"),))
        elif character in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for key, value in pairs:
        if key in members:
            raise _RefusedError(f"the key {key!r} appears twice")
        members[key] = value
    return members


def _no_constant(text: str) -> NoReturn:
    raise _RefusedError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _RefusedError(f"the number {text} is too large")
    return number


def _problems(error: ValidationError) -> tuple[tuple[str, str], ...]:
    return tuple((_path(entry["loc"]), _reason(dict(entry))) for entry in error.errors(include_url=False))


def _path(location: tuple[int | str, ...]) -> str:
    path = "$"
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


def _reason(entry: dict[str, Any]) -> str:
    if entry["type"] == "missing":
        return "missing"
    if entry["type"] == "extra_forbidden":
        return "unknown field"
    shown = repr(entry["input"])
    return f"{entry['msg']}, got {shown if len(shown) <= 80 else shown[:77] + '...'}"
