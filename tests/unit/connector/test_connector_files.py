"""The connector's files: made of the API, and valid against what Microsoft publishes about such files."""

import json
from typing import Any

import pytest
from connector_files import BY_ID, CONNECTOR, DEFINITION, OPERATIONS, PROPERTIES
from jsonschema import Draft4Validator, Draft7Validator
from openapi_spec_validator import OpenAPIV2SpecValidator

from tools.connector import api, files
from tools.connector.offers import CHOICES, OFFERS
from tools.connector.words import sentence_of, summary_of


@pytest.mark.parametrize("name", sorted(files()))
def test_file_is_what_the_api_makes_it(name: str) -> None:
    written = (CONNECTOR / name).read_text(encoding="utf-8")
    assert written == files()[name], "make them again: python -m tools.connector"


def test_nothing_else_lies_beside_them() -> None:
    assert {path.name for path in CONNECTOR.iterdir()} == set(files())


def test_definition_is_valid_openapi_2() -> None:
    assert list(OpenAPIV2SpecValidator(DEFINITION).iter_errors()) == []


def problems(validator: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]


@pytest.mark.shared
def test_definition_fits_the_published_schema_of_connectors(specifications: Any) -> None:
    schema = json.loads((specifications / "connectors" / "apiDefinition.swagger.schema.json").read_text())
    assert problems(Draft4Validator(schema), DEFINITION) == []


@pytest.mark.shared
def test_properties_fit_the_published_schema_of_connectors(specifications: Any) -> None:
    schema = json.loads((specifications / "connectors" / "paconn-apiProperties.schema.json").read_text())
    assert problems(Draft7Validator(schema), {"properties": PROPERTIES}) == []


@pytest.mark.shared
def test_published_schemas_refuse_what_is_wrong(specifications: Any) -> None:
    folder = specifications / "connectors"
    swagger = json.loads((folder / "apiDefinition.swagger.schema.json").read_text())
    assert problems(Draft4Validator(swagger), {**DEFINITION, "x-ms-capabilities": {"no-such": 1}})
    paconn = json.loads((folder / "paconn-apiProperties.schema.json").read_text())
    assert problems(Draft7Validator(paconn), {"properties": {**PROPERTIES, "policies": []}})


def test_every_operation_that_is_offered_is_there_once() -> None:
    assert sorted(one.id for one in OPERATIONS) == sorted(offer.name for offer in OFFERS)


def test_paths_methods_and_statuses_are_the_apis() -> None:
    described = {
        told["operationId"]: (path, method, set(told["responses"]))
        for path, methods in api()["paths"].items()
        for method, told in methods.items()
    }
    for offer in OFFERS:
        one = BY_ID[offer.name]
        path, method, statuses = described[offer.operation]
        assert (one.path, one.method) == (path.replace("{event}", offer.event or ""), method)
        assert set(one.told["responses"]) == statuses | ({"200"} if offer.followed else set())


def test_one_connector_serves_every_deployment() -> None:
    (policy,) = (one for one in PROPERTIES["policyTemplateInstances"] if one["templateId"] == "dynamichosturl")
    assert policy["parameters"]["x-ms-apimTemplateParameter.urlTemplate"] == "https://@connectionParameters('host')"
    assert PROPERTIES["connectionParameters"]["host"]["uiDefinition"]["constraints"]["required"] == "true"
    assert DEFINITION["basePath"] == "/"
    assert all(one.path.startswith("/api/v1/") for one in OPERATIONS)


def test_key_travels_in_the_header_of_the_functions_host_and_is_never_shown() -> None:
    (name,) = DEFINITION["securityDefinitions"]
    assert DEFINITION["securityDefinitions"][name] == {"type": "apiKey", "in": "header", "name": "x-functions-key"}
    assert DEFINITION["security"] == [{name: []}]
    asked = PROPERTIES["connectionParameters"][name]
    assert (asked["type"], asked["uiDefinition"]["constraints"]["clearText"]) == ("securestring", False)


def test_pages_are_followed_by_the_property_that_the_policy_names() -> None:
    (policy,) = (one for one in PROPERTIES["policyTemplateInstances"] if one["templateId"] == "updatenextlink")
    paged = {one.id: one.told["x-ms-pageable"]["nextLinkName"] for one in OPERATIONS if "x-ms-pageable" in one.told}
    assert paged == {"ListRuns": policy["parameters"]["x-ms-apimTemplateParameter.nextLinkPropertyName"]}
    assert policy["parameters"]["x-ms-apimTemplate-operationName"] == list(paged)
    assert "next_link" in DEFINITION["definitions"]["RunPage"]["properties"]


def test_choices_and_forms_come_from_operations_that_people_do_not_see() -> None:
    for choice in CHOICES.values():
        assert BY_ID[choice.operation].internal
        contract = BY_ID[choice.operation].good["200"]["schema"]["$ref"].rsplit("/", 1)[1]
        listed = DEFINITION["definitions"][contract]["properties"][choice.collection]["items"]["properties"]
        assert {choice.value, choice.title} <= set(listed)
    (body,) = (one for one in BY_ID["StartRun"].told["parameters"] if one["in"] == "body")
    options = body["schema"]["properties"]["options"]
    form = BY_ID[options["x-ms-dynamic-schema"]["operationId"]]
    assert form.internal
    assert {one["name"] for one in form.told["parameters"]} == set(options["x-ms-dynamic-schema"]["parameters"])


def test_a_new_failure_code_makes_no_new_connector() -> None:
    assert not any("E-INTERNAL" in (CONNECTOR / name).read_text() for name in files())


def test_a_field_that_nobody_has_written_about_is_not_made_up() -> None:
    with pytest.raises(LookupError, match=r"Write what RunDocument\.shoe_size means"):
        sentence_of("RunDocument", "shoe_size", None)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("run_id", "Run ID"),
        ("eta_s", "Time Left (Seconds)"),
        ("Idempotency-Key", "Idempotency Key"),
        ("items_done", "Items Done"),
    ],
)
def test_names_become_titles(name: str, title: str) -> None:
    assert summary_of(name) == title
