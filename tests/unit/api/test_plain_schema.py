"""Plain schemas: every construct of JSON Schema that pydantic writes, against the plain one it becomes."""

from typing import Any

import pytest
from jsonschema import Draft4Validator

from dropscore.api.plain_schema import plain
from dropscore.contracts.http.items import LogPage
from dropscore.contracts.http.results import RunResult
from dropscore.contracts.request import RunRequest

COLOUR = {"enum": ["red", "blue"], "type": "string", "title": "Colour", "description": "A colour."}


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        pytest.param({"type": "string", "examples": ["a"]}, {"type": "string"}, id="unknown words go"),
        pytest.param({"const": 1, "type": "integer"}, {"type": "integer", "enum": [1]}, id="const is an enum of one"),
        pytest.param(
            {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}], "default": None},
            {"type": "string", "minLength": 2, "x-nullable": True},
            id="null is a flag",
        ),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "number"}]}, {}, id="two types are none"),
        pytest.param(
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            id="exclusive bounds are flags",
        ),
        pytest.param(
            {"type": "array", "items": {"type": "integer"}},
            {"type": "array", "items": {"type": "integer"}},
            id="items are kept",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"const": 2}, "properties": {"a": {"type": "string"}}},
            {"type": "object", "additionalProperties": {"enum": [2]}, "properties": {"a": {"type": "string"}}},
            id="what is inside becomes plain too",
        ),
        pytest.param(
            {"$defs": {"Colour": COLOUR}, "type": "object", "properties": {"a": {"$ref": "#/$defs/Colour"}}},
            {"type": "object", "properties": {"a": COLOUR}},
            id="references are followed",
        ),
        pytest.param(
            {"$defs": {"Colour": COLOUR}, "$ref": "#/$defs/Colour", "description": "Of the car."},
            COLOUR | {"description": "Of the car."},
            id="words beside a reference win",
        ),
    ],
)
def test_each_construct_has_its_plain_form(whole: dict[str, Any], expected: dict[str, Any]) -> None:
    assert plain(whole) == expected


@pytest.mark.parametrize("contract", [RunRequest, RunResult, LogPage])
def test_whole_contracts_become_schemas_of_the_old_draft(contract: Any) -> None:
    schema = plain(contract.model_json_schema(mode="serialization"))
    Draft4Validator.check_schema(schema)
    assert set(schema["properties"]) == set(contract.model_fields)
