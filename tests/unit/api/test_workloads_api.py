"""What the API tells of workloads: all, one, and the options of one for a form."""

from typing import Any

from api_client import ApiClient

from dropscore.contracts.codec import decode
from dropscore.contracts.http.problems import Problem
from dropscore.contracts.http.results import OptionsSchema
from dropscore.contracts.http.system import WorkloadDocument

HERE = "/api/v1/workloads"


def words(schema: Any) -> set[str]:
    """Every word that a schema uses, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(words, schema))
    return set(schema).union(*map(words, schema.values())) if isinstance(schema, dict) else set()


def test_one_workload_is_the_one_of_the_list(api: ApiClient) -> None:
    (first, *_) = api.get(HERE).json()["workloads"]
    one = api.get(f"{HERE}/{first['name']}").json()
    assert one == first
    assert decode(WorkloadDocument, one).name == "style_transfer"


def test_options_have_nothing_that_a_form_does_not_know(api: ApiClient) -> None:
    told = decode(OptionsSchema, api.get(f"{HERE}/style_transfer/options").json())
    assert told.workload == "style_transfer"
    assert not words(told.options) & {"$ref", "$defs", "anyOf", "oneOf", "allOf", "const", "title"}


def test_every_option_of_the_form_is_titled_and_has_its_bounds(api: ApiClient) -> None:
    options: Any = api.get(f"{HERE}/style_transfer/options").json()["options"]
    assert options["type"] == "object"
    assert "required" not in options
    whole: Any = api.get(f"{HERE}/style_transfer").json()["options"]
    assert set(options["properties"]) == set(whole["properties"])
    for name, one in options["properties"].items():
        assert one["x-ms-summary"]
        assert one["description"], name
        assert one["type"], name
    assert options["properties"]["strength"] == {
        "type": "number",
        "description": "Share of the styled picture in the result, 0 (the original) to 1 (fully styled).",
        "default": 1.0,
        "minimum": 0,
        "maximum": 1,
        "x-ms-summary": "Strength",
    }
    assert options["properties"]["method"]["enum"] == ["feed_forward", "optimisation"]
    assert options["properties"]["style_image"]["x-nullable"] is True


def test_unknown_workload_is_404_and_names_the_ones_there_are(api: ApiClient) -> None:
    for path in (f"{HERE}/style_transfre", f"{HERE}/style_transfre/options"):
        answer = api.get(path)
        told = decode(Problem, answer.json())
        assert (answer.status_code, told.code, told.field) == (404, "E-WORKLOAD-UNKNOWN", "name")
        assert "Did you mean 'style_transfer'?" in told.action
