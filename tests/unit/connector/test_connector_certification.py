"""The rules by which Microsoft certifies connectors, one test each; the test's name is the rule."""

import re
from typing import Any

import pytest
from connector_files import CONNECTOR, DEFINITION, OPERATIONS, PROPERTIES, Told, fields, inputs

EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
PRODUCTS = ("Power Apps", "Power Automate", "Power Platform", "Logic Apps", "Azure", "Microsoft", "Copilot", "Office")


@EACH
def test_operation_id_is_pascal_case_without_hyphen_or_underscore(operation: Told) -> None:
    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", operation.id)


def test_operation_ids_are_unique() -> None:
    ids = [one.id.lower() for one in OPERATIONS]
    assert len(ids) == len(set(ids))


@EACH
def test_operation_has_a_summary_of_80_characters_at_most_without_a_final_period(operation: Told) -> None:
    summary = operation.told["summary"]
    assert 0 < len(summary) <= 80
    assert summary[-1].isalnum()
    assert summary[0].isupper()


def test_summaries_are_unique() -> None:
    summaries = [one.told["summary"] for one in OPERATIONS]
    assert len(summaries) == len(set(summaries))


@EACH
def test_operation_has_a_longer_different_description_that_ends_in_a_period(operation: Told) -> None:
    description, summary = operation.told["description"], operation.told["summary"]
    assert description.endswith(".")
    assert len(description) > len(summary)
    assert description.rstrip(".").lower() != summary.lower()


@EACH
def test_trigger_reads_as_when_something_happens(operation: Told) -> None:
    if "x-ms-trigger" in operation.told:
        assert operation.told["summary"].startswith("When ")
        assert operation.told["x-ms-trigger-hint"].startswith("To see it work now, ")


@EACH
def test_every_parameter_has_a_title_and_a_description(operation: Told) -> None:
    for name, told, _ in inputs(operation):
        title, description = told["x-ms-summary"], told["description"]
        assert title[0].isupper(), name
        assert not title.endswith("."), name
        assert description.endswith("."), name
        assert description.rstrip(".") != title, name


@EACH
def test_every_parameter_has_a_type(operation: Told) -> None:
    for name, told, _ in inputs(operation):
        assert told.get("in") == "body" or told["type"], name


@EACH
def test_path_parameters_say_how_they_are_encoded(operation: Told) -> None:
    for one in operation.told["parameters"]:
        assert one["in"] != "path" or one["x-ms-url-encoding"] in ("single", "double"), one["name"]
        assert one["in"] != "path" or one["required"] is True


@EACH
def test_required_internal_parameter_has_a_default(operation: Told) -> None:
    for name, told, required in inputs(operation):
        if required and told.get("x-ms-visibility") == "internal":
            assert told.get("x-ms-notification-url") is True or "default" in told, name


@EACH
def test_success_is_a_2xx_and_never_default_alone(operation: Told) -> None:
    assert operation.good
    assert "default" not in operation.told["responses"]


@EACH
def test_every_action_has_a_response_schema(operation: Told) -> None:
    for status, answer in operation.good.items():
        assert status == "204" or answer["schema"] not in ({}, {"type": "object"}), status


@EACH
def test_known_4xx_and_5xx_are_listed_with_their_schema(operation: Told) -> None:
    bad = {status: one for status, one in operation.told["responses"].items() if status[0] in "45"}
    assert {"400", "401", "403", "500", "503"} <= set(bad)
    assert "schema" not in bad.pop("401"), "the Functions host answers it, without a body"
    assert {one["schema"]["$ref"] for one in bad.values()} == {"#/definitions/Problem"}
    if "{" in operation.path:
        assert "404" in bad


def test_no_response_is_empty() -> None:
    for name, schema in DEFINITION["definitions"].items():
        assert schema["properties"], name


def test_every_field_of_an_answer_has_a_title_and_a_description() -> None:
    for contract, schema in DEFINITION["definitions"].items():
        for name, told, _ in fields(schema):
            assert told["x-ms-summary"], f"{contract}.{name}"
            assert told["description"].endswith("."), f"{contract}.{name}"


def test_every_definition_is_used() -> None:
    text = (CONNECTOR / "apiDefinition.swagger.json").read_text()
    for name in DEFINITION["definitions"]:
        assert f'"#/definitions/{name}"' in text


def test_scheme_is_https_alone() -> None:
    assert DEFINITION["schemes"] == ["https"]


def test_host_is_no_staging_or_local_host() -> None:
    host = DEFINITION["host"]
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host)
    assert not re.search(r"staging|dev\b|test|localhost|127\.|:\d", host)


def test_title_has_30_characters_at_most_and_no_reserved_word() -> None:
    title = DEFINITION["info"]["title"]
    assert 0 < len(title) <= 30
    assert title[-1].isalnum()
    for word in ("API", "Connector", *PRODUCTS):
        assert word.lower() not in title.lower()


def test_description_has_30_to_500_characters() -> None:
    description = DEFINITION["info"]["description"]
    assert 30 <= len(description) <= 500
    assert "API" not in description


def test_contact_is_named() -> None:
    contact = DEFINITION["info"]["contact"]
    assert set(contact) == {"name", "url", "email"}
    assert contact["url"].startswith("https://")
    assert re.fullmatch(r"[^@]+@[^@]+\.[^@]+", contact["email"])


def test_website_privacy_policy_and_categories_are_told() -> None:
    told = {one["propertyName"]: one["propertyValue"] for one in DEFINITION["x-ms-connector-metadata"]}
    assert set(told) == {"Website", "Privacy policy", "Categories"}
    assert told["Website"].startswith("https://")
    assert told["Privacy policy"].startswith("https://")


def test_brand_colour_is_neither_the_default_nor_white() -> None:
    colour = PROPERTIES["iconBrandColor"].lower()
    assert re.fullmatch(r"#[0-9a-f]{6}", colour)
    assert colour not in ("#007ee5", "#ffffff")


def test_publisher_and_stack_owner_are_named() -> None:
    assert PROPERTIES["publisher"]
    assert PROPERTIES["stackOwner"]


def test_every_parameter_of_the_connection_is_explained() -> None:
    for name, asked in PROPERTIES["connectionParameters"].items():
        shown = asked["uiDefinition"]
        assert {"displayName", "description", "tooltip", "constraints"} <= set(shown), name
        assert shown["description"].endswith("."), name


@pytest.mark.parametrize("name", ["apiDefinition.swagger.json", "apiProperties.json"])
def test_indentation_is_four_spaces_without_trailing_blanks(name: str) -> None:
    lines = (CONNECTOR / name).read_text().splitlines()
    assert all((len(line) - len(line.lstrip())) % 4 == 0 for line in lines)
    assert any(line.startswith("    ") and line[4] != " " for line in lines)
    assert [number for number, line in enumerate(lines, 1) if line != line.rstrip() or "\t" in line] == []


@EACH
def test_operations_carry_family_and_revision_so_that_later_ones_do_not_break_them(operation: Told) -> None:
    if not operation.internal:
        assert operation.told["x-ms-api-annotation"] == {"family": operation.id, "revision": 1}


def test_nothing_is_written_in_markdown() -> None:
    assert "`" not in (CONNECTOR / "apiDefinition.swagger.json").read_text()


def test_webhook_triggers_tell_what_they_are_sent_and_where_they_are_called() -> None:
    triggers = [one for one in OPERATIONS if "x-ms-trigger" in one.told]
    assert [one.id for one in triggers] == ["WhenRunFinishes", "WhenItemsAreQuarantined"]
    for one in triggers:
        content: dict[str, Any] = DEFINITION["paths"][one.path]["x-ms-notification-content"]
        assert content["description"].endswith(".")
        assert {"run_id", "status", "event"} <= set(content["schema"]["properties"])
        (url,) = [name for name, told, _ in inputs(one) if told.get("x-ms-notification-url")]
        assert url == "body.url"
        assert one.good["201"]["headers"]["Location"]["type"] == "string"
    assert [one.method for one in OPERATIONS if one.path == "/api/v1/webhooks/{id}"] == ["delete"]


def test_readme_has_the_sections_that_a_certified_connector_is_published_with() -> None:
    text = (CONNECTOR / "readme.md").read_text()
    headings = (
        "## Publisher",
        "## Prerequisites",
        "## Obtaining credentials",
        "## Supported operations",
        "## Known issues",
    )
    for heading in (*headings, "## Getting started"):
        assert heading in text
    for one in OPERATIONS:
        assert one.internal or f"(`{one.id}`)" in text
