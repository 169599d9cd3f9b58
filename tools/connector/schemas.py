"""The API's JSON Schemas as the connector's: plain, every field titled and told of, what to choose from named."""

from collections.abc import Mapping
from typing import Any

from dropscore.api.plain_schema import plain
from tools.connector.offers import ADVANCED, CHOICES, INTERNAL, OPTIONS_FORM, Choice
from tools.connector.words import ADVANCED as ON_DEMAND
from tools.connector.words import ASKED, HIDDEN, OPEN, SENTENCES, read_out, sentence_of, summary_of

type Schema = dict[str, Any]


def answer_schema(name: str, schemas: Mapping[str, Any]) -> Schema:
    """The schema of an answer: the contract of this name, without what no workflow needs."""
    told = plain({**schemas[name], "$defs": schemas})
    told.pop("title", None)
    return _dressed(told, name) | {"description": read_out(SENTENCES.get(name) or told["description"])}


def request_schema(name: str, operation: str, schemas: Mapping[str, Any]) -> Schema:
    """The schema of a request: the contract of this name as the form of an operation."""
    told = plain({**schemas[name], "$defs": schemas})
    told.pop("title", None)
    for part, asked in ASKED.items():
        if part in told["properties"]:
            fields = told["properties"][part]["properties"]
            told["properties"][part]["properties"] = {field: fields[field] for field in asked}
    form = _dressed(told, operation, shown=frozenset(ASKED["policy"]))
    for field, one in form["properties"].items():
        one.update(_input(field, required=field in form.get("required", ())))
        one.pop("x-nullable", None)
    return form | {"description": read_out(SENTENCES.get(name) or told["description"])}


def choice(name: str) -> Schema:
    """Where the values of a parameter or property are chosen from, for both generations of designers; else nothing."""
    if name not in CHOICES:
        return {}
    one: Choice = CHOICES[name]
    return {
        "x-ms-dynamic-values": {
            "operationId": one.operation,
            "value-collection": one.collection,
            "value-path": one.value,
            "value-title": one.title,
        },
        "x-ms-dynamic-list": {
            "operationId": one.operation,
            "itemsPath": one.collection,
            "itemValuePath": one.value,
            "itemTitlePath": one.title,
        },
    }


def visibility(name: str, *, required: bool) -> Schema:
    """Whether a form shows a field at once, on demand, or as it comes."""
    if name in ON_DEMAND or (not required and f"{name}?" in ON_DEMAND):
        return {"x-ms-visibility": ADVANCED}
    return {"x-ms-visibility": "important"} if required else {}


def _input(name: str, *, required: bool) -> Schema:
    if name == "url":
        return {"x-ms-notification-url": True, "x-ms-visibility": INTERNAL}
    told = visibility(name, required=required) | choice(name)
    if name == "options":
        operation, parameter, chosen, where = OPTIONS_FORM
        told["x-ms-dynamic-schema"] = {
            "operationId": operation,
            "parameters": {parameter: {"parameter": chosen}},
            "value-path": where,
        }
        told["x-ms-dynamic-properties"] = {
            "operationId": operation,
            "parameters": {parameter: {"parameterReference": f"body/{chosen}"}},
            "itemValuePath": where,
        }
    return told


def _dressed(schema: Schema, owner: str, shown: frozenset[str] = frozenset()) -> Schema:
    """A schema whose every field has a title and a sentence, at any depth."""
    told = {word: value for word, value in schema.items() if word not in ("title", "format")}
    if isinstance(told.get("default"), dict | list):
        del told["default"]
    if "properties" in told:
        told["properties"] = {
            name: {
                **_dressed(_opened(name, one), owner, shown),
                "x-ms-summary": summary_of(name),
                "description": sentence_of(owner, name, one.get("description")),
            }
            for name, one in told["properties"].items()
            if name in shown or not {name, f"{owner}.{name}"} & HIDDEN
        }
        required = [name for name in told.get("required", ()) if name in told["properties"]]
        told = {word: value for word, value in told.items() if word != "required"}
        told |= {"required": required} if required else {}
    for inside in ("items", "additionalProperties"):
        if isinstance(told.get(inside), dict):
            told[inside] = _dressed({**told[inside], "description": ""}, owner, shown)
            del told[inside]["description"]
    return {word: value for word, value in told.items() if word != "additionalProperties" or value}


def _opened(name: str, schema: Schema) -> Schema:
    """A field's schema, without the list of its values where that grows."""
    return {word: value for word, value in schema.items() if word != "enum"} if name in OPEN else schema
