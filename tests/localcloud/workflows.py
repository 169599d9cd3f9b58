"""Reads the ready workflow definitions: their steps in order, each with its expressions filled in from a table.

There is no interpreter: an expression is looked up as it is written, so that one nobody thought of fails the test.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "logicapp"
SCORING = "@parameters('$connections')['dropscore']['connectionId']"
_INSIDE = re.compile(r"@\{([^{}]+)\}")


def workflow(name: str) -> dict[str, Any]:
    """A definition by its file's name without suffix."""
    told: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())["definition"]
    return told


def steps(actions: Mapping[str, Any], branches: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The actions in the order in which they run; of an `If` or `Switch` those of the branch named for it."""
    done: set[str] = set()
    for name, action in actions.items():
        before = set(action.get("runAfter", {}))
        assert before <= done, f"{name} runs after {before - done}, which stands below it"
        done.add(name)
        if action["type"] in ("If", "Switch"):
            yield from steps(branch_of(action, branches[name]), branches)
        else:
            yield name, action


def branch_of(action: Mapping[str, Any], branch: str) -> dict[str, Any]:
    """The actions of one branch: `then` or `else`, a case by its value, or `default`."""
    if action["type"] == "If":
        return dict(action["actions"] if branch == "then" else action["else"]["actions"])
    if branch == "default":
        return dict(action["default"]["actions"])
    (case,) = (case for case in action["cases"].values() if case["case"] == branch)
    return dict(case["actions"])


def filled(value: Any, table: Mapping[str, Any]) -> Any:
    """A part of a definition with every expression looked up. Raises `KeyError` for one that the table lacks."""
    if isinstance(value, dict):
        return {name: filled(one, table) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, table) for one in value]
    if not isinstance(value, str):
        return value
    if value.startswith("@") and not value.startswith("@{"):
        return table[value[1:]]
    return _INSIDE.sub(lambda found: str(table[found[1]]), value)


def told_by(reference: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The table's entries for the fields of a body: as they are, and encoded for a path."""
    table: dict[str, Any] = {}
    for name, value in body.items():
        here = f"{reference}?['{name}']"
        table[here] = value
        if isinstance(value, str):
            table[f"encodeURIComponent({here})"] = quote(value, safe="")
        if isinstance(value, dict):
            table |= told_by(here, value)
    return table
