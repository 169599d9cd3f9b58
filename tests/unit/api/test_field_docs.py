"""What fields mean, read from where it is written."""

from dropscore.api.app import everything
from dropscore.api.field_docs import described, field_docs, within
from dropscore.api.openapi import describe
from dropscore.contracts.base import Contract, RunId
from dropscore.contracts.http.runs import Progress, RunDocument, RunPage
from dropscore.contracts.request import RunRequest


class Parent(Contract):
    """A parent."""

    first: RunId
    """The first,
    in two lines."""
    second: int = 1


class Child(Parent):
    """A child.

    Attributes:
        third: what is `third`, told over
            two lines; no more.
        fourth: The fourth.
    """

    third: str
    fourth: str
    second: int = 2
    """The second, said anew."""


def test_what_is_written_below_a_field_and_above_all_of_them_is_found() -> None:
    assert field_docs(Child) == {
        "first": "The first, in two lines.",
        "second": "The second, said anew.",
        "third": "What is `third`, told over two lines; no more.",
        "fourth": "The fourth.",
    }


def test_every_field_of_a_request_is_told_of() -> None:
    assert set(field_docs(RunRequest)) == set(RunRequest.model_fields)


def test_contracts_inside_are_found_at_any_depth() -> None:
    assert {RunPage, RunDocument, Progress} <= within(RunPage)


def test_words_of_the_schema_itself_stay() -> None:
    schemas = {"Parent": {"properties": {"first": {"description": "Its own."}, "second": {}}}}
    assert described(schemas, [Parent]) == schemas


def test_description_of_the_api_carries_them() -> None:
    operations = [one.operation for one in everything(lambda: None)]  # type: ignore[arg-type, return-value]
    schemas = describe(operations, "https://app", "key")["components"]["schemas"]
    assert schemas["Progress"]["properties"]["rate_per_s"]["description"] == "Items a second."
    assert schemas["RunRequest"]["properties"]["lane"]["description"] == "The queue to use."
