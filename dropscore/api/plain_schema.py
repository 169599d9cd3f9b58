"""JSON Schema made plain: no references, no alternatives, no nulls, as form builders and OpenAPI 2.0 want it."""

from collections.abc import Mapping
from typing import Any

KEPT = (
    "type",
    "description",
    "default",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "required",
)
"""Words that mean the same in both; the rest is dropped, so that a plain schema takes no less than the whole one."""
NULLABLE = "x-nullable"
DEEPEST = 12
"""A type that holds itself ends here, as a value of any kind."""
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without `$ref`, `anyOf`, `const` and null.

    What may be null carries `x-nullable`; what may be one of several types has no type. Exclusive bounds are flags
    beside their bound, as in OpenAPI 2.0; `title` stays, as `title`.
    """
    return _plain(schema, schema.get("$defs", {}), 0)


def _plain(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        return {}
    whole = _resolved(schema, named, depth)
    told = {word: whole[word] for word in (*KEPT, "title", NULLABLE) if word in whole}
    if "const" in whole:
        told["enum"] = [whole["const"]]
    for exclusive, bound in _EXCLUSIVE.items():
        if exclusive in told and not isinstance(told[exclusive], bool):
            told |= {bound: told[exclusive], exclusive: True}
    if told.get("default", ...) is None:
        del told["default"]
    return told | _inside(whole, named, depth)


def _inside(whole: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if "properties" in whole:
        told["properties"] = {name: _plain(one, named, depth + 1) for name, one in whole["properties"].items()}
    if isinstance(whole.get("items"), dict):
        told["items"] = _plain(whole["items"], named, depth + 1)
    elif whole.get("type") == "array":
        told["items"] = {}
    if isinstance(whole.get("additionalProperties"), dict):
        told["additionalProperties"] = _plain(whole["additionalProperties"], named, depth + 1)
    return told


def _resolved(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """A schema with what it refers to, and with the one alternative that is left when null is none."""
    whole = dict(schema)
    if "$ref" in whole:
        target = named[whole.pop("$ref").rsplit("/", 1)[1]]
        return _resolved({**target, **whole}, named, depth)
    alternatives = whole.pop("anyOf", None) or whole.pop("oneOf", None)
    if alternatives is None:
        return whole
    others = [one for one in alternatives if one.get("type") != "null"]
    if len(others) < len(alternatives):
        whole[NULLABLE] = True
    if len(others) == 1:
        return {**_resolved(others[0], named, depth + 1), **whole}
    return whole
