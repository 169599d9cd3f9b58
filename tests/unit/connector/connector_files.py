"""The connector's files as they lie in the repository."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CONNECTOR = ROOT / "infra" / "connector"
WORKFLOWS = ROOT / "infra" / "logicapp"
DEFINITION: dict[str, Any] = json.loads((CONNECTOR / "apiDefinition.swagger.json").read_text())
PROPERTIES: dict[str, Any] = json.loads((CONNECTOR / "apiProperties.json").read_text())["properties"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An operation as the definition tells of it."""

    path: str
    method: str
    told: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.told["operationId"])

    @property
    def internal(self) -> bool:
        return self.told.get("x-ms-visibility") == "internal"

    @property
    def good(self) -> dict[str, dict[str, Any]]:
        """Its good answers by status."""
        return {status: one for status, one in self.told["responses"].items() if status.startswith("2")}


OPERATIONS = [
    Told(path=path, method=method, told=told)
    for path, item in DEFINITION["paths"].items()
    for method, told in item.items()
    if not method.startswith("x-")
]
BY_ID = {one.id: one for one in OPERATIONS}


def fields(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every property of a schema at any depth: its path, its schema, and whether it is required."""
    for name, one in schema.get("properties", {}).items():
        yield f"{where}{name}", one, name in schema.get("required", ())
        yield from fields(one, f"{where}{name}.")
    for inside in ("items", "additionalProperties"):
        if isinstance(schema.get(inside), dict):
            yield from fields(schema[inside], f"{where}{inside}.")


def inputs(operation: Told) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every parameter of an operation, and every property of its body: name, what is told, whether it is required."""
    for one in operation.told["parameters"]:
        yield one["name"], one, bool(one.get("required"))
        if one["in"] == "body":
            yield from fields(one["schema"], "body.")
