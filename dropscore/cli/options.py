"""Options on the command line (`--option name=value`) as JSON of the type that the workload's schema asks for."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


def read_options(given: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Json]:
    """The options as JSON values. Raises `FailedError` (E-OPTION-INVALID) that names the option.

    Only the type is decided here; limits are checked where the request is admitted, by the workload itself.
    """
    properties = schema.get("properties", {})
    options: dict[str, Json] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise _invalid(pair, f"the option {pair!r} has no value", "Write it as --option name=value.")
        if name not in properties:
            raise _invalid(name, f"there is no option {name!r}", _known(name, properties))
        options[name] = _value(name, text, _types(properties[name], schema))
    return options


def _types(description: Mapping[str, Any], schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that a property takes, through references and alternatives."""
    reference = description.get("$ref")
    if reference is not None:
        return _types(schema.get("$defs", {}).get(str(reference).rsplit("/", 1)[-1], {}), schema)
    found: set[str] = set()
    for alternative in (*description.get("anyOf", ()), *description.get("allOf", ())):
        found |= _types(alternative, schema)
    kind = description.get("type", ())
    return frozenset(found | ({kind} if isinstance(kind, str) else set(kind)))


def _value(name: str, text: str, types: frozenset[str]) -> Json:
    if "null" in types and text in ("null", "none", ""):
        return None
    if "boolean" in types and text.lower() in ("true", "false", "yes", "no", "on", "off"):
        return text.lower() in ("true", "yes", "on")
    if types & {"integer", "number"}:
        number = _number(text, whole="number" not in types)
        if number is not None:
            return number
    if types & {"array", "object"}:
        return _json(name, text)
    if "string" in types or not types:
        return text
    wanted = " or ".join(sorted(types - {"null"}))
    raise _invalid(name, f"the option {name!r} is no {wanted}: {text!r}", f"Give a value of type {wanted}.")


def _number(text: str, *, whole: bool) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return None if whole else float(text)
    except ValueError:
        return None


def _json(name: str, text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        raise _invalid(name, f"the option {name!r} takes JSON, got {text!r}", "Write a JSON array or object.") from None
    return value


def _known(name: str, properties: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, properties, n=1)
    listed = ", ".join(sorted(properties)) or "none"
    return f"Did you mean {near[0]!r}? Known options: {listed}." if near else f"Known options: {listed}."


def _invalid(field: str, message: str, action: str) -> FailedError:
    return FailedError.of(Code.OPTION_INVALID, message, field=f"options.{field}", action=action)
