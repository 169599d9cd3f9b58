"""Writes the connector for Logic Apps and Power Platform, `infra/connector/`, out of the API's own operations.

`python -m tools.connector` does it. The words that are for the connector alone stand in `offers` and `words`.
"""

import json
from pathlib import Path
from typing import Any, Final

from dropscore.api.app import everything
from dropscore.api.openapi import describe
from tools.connector.definition import definition
from tools.connector.properties import properties
from tools.connector.readme_page import readme

FOLDER: Final = Path(__file__).parents[2] / "infra" / "connector"


def files() -> dict[str, str]:
    """The files as they should be, by name."""
    return {
        "apiDefinition.swagger.json": _text(definition(api())),
        "apiProperties.json": _text(properties()),
        "readme.md": readme(),
    }


def api() -> dict[str, Any]:
    """The description of the API, which needs no cloud."""
    return describe([served.operation for served in everything(_nothing)], "https://host", "key")


def _nothing() -> Any:
    raise AssertionError("An operation is described without being called.")


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False) + "\n"
