"""Laws of the codec that hold for every contract there is."""

import copy
import json

import pytest
from any_contract import JSONS, every_contract, values_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropscore.contracts.base import Contract, Json, Stored
from dropscore.contracts.codec import MAX_DEPTH, decode, encode, encode_bytes, parse
from dropscore.contracts.errors import ContractError

CONTRACTS = every_contract()
FEW = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(params=CONTRACTS, ids=lambda one: one.__name__)
def contract(request) -> type[Contract]:
    return request.param


def refused(contract: type[Contract], text: bytes | str) -> tuple[tuple[str, str], ...]:
    with pytest.raises(ContractError) as caught:
        decode(contract, text)
    assert caught.value.contract
    str(caught.value).encode()
    return caught.value.problems


def test_there_are_contracts():
    assert len(CONTRACTS) > 30


def test_what_is_encoded_is_decoded_as_it_was(contract):
    @FEW
    @given(values_of(contract))
    def check(value):
        text = encode_bytes(value)
        assert decode(contract, text) == value
        assert decode(contract, encode(value)) == value
        assert encode_bytes(decode(contract, text)) == text, "the same value gives the same bytes"
        assert parse(text) == encode(value)

    check()


def test_a_member_too_many_or_too_few_is_named(contract):
    @FEW
    @given(values_of(contract), st.sampled_from(["", "unknown", "a b", "$", "é", "\u202e"]), JSONS)
    def check(value, name, junk):
        plain = encode(value)
        assert any(reason == "unknown field" for _, reason in refused(contract, json.dumps(plain | {name: junk})))
        for required in (one for one, info in contract.model_fields.items() if info.is_required()):
            less = {other: kept for other, kept in plain.items() if other != required}
            assert (f"$.{required}", "missing") in refused(contract, json.dumps(less))

    check()


def test_a_value_of_another_type_is_refused_at_its_place(contract):
    @FEW
    @given(values_of(contract), st.data())
    def check(value, data):
        plain = encode(value)
        if not plain:
            return
        place = data.draw(st.sampled_from(sorted(plain)))
        wrong = _of_another_type(plain[place])
        if _takes_anything(contract, place):
            return
        assert any(path.startswith(f"$.{place}") for path, _ in refused(contract, json.dumps(plain | {place: wrong})))

    check()


def _takes_anything(contract, name):
    return contract.model_fields[name].annotation in (Json, dict[str, Json])


def _of_another_type(value):
    """What the standard library, or a lenient parser, might take for the value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return [value]
    return {"not": "this"} if isinstance(value, list) else [value]


def test_a_key_twice_and_numbers_that_are_none_are_refused(contract):
    @FEW
    @given(values_of(contract), st.sampled_from(["NaN", "Infinity", "-Infinity", "1e400"]))
    def check(value, number):
        text = encode_bytes(value).decode()
        first = next(iter(encode(value)), "schema_version")
        assert "twice" in refused(contract, "{" + f'"{first}":1,"{first}":1,' + text[1:])[0][1]
        assert number in refused(contract, text[:-1] + f',"{first}x":{number}' + "}")[0][1]

    check()


def test_deep_nesting_is_refused_before_anything_recurses(contract):
    for depth in (MAX_DEPTH + 1, 100_000):
        assert "nested deeper" in refused(contract, "[" * depth + "]" * depth)[0][1]
        assert "nested deeper" in refused(contract, '{"a":' * depth + "1" + "}" * depth)[0][1]


@pytest.mark.parametrize(
    "contract", [one for one in CONTRACTS if issubclass(one, Stored)], ids=lambda one: one.__name__
)
def test_another_schema_version_is_refused(contract):
    @FEW
    @given(values_of(contract), st.sampled_from([0, 2, -1, "1", 1.5, None]))
    def check(value, version):
        assert refused(contract, json.dumps(encode(value) | {"schema_version": version}))[0][0] == "$.schema_version"

    check()


def test_a_value_cannot_be_changed(contract):
    @FEW
    @given(values_of(contract))
    def check(value):
        before = copy.deepcopy(value)
        for name in contract.model_fields:
            with pytest.raises(ValueError, match="frozen"):
                setattr(value, name, None)
        assert value == before

    check()


@given(JSONS)
def test_parsing_is_the_inverse_of_writing(value):
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value
    assert parse("\ufeff".encode() + json.dumps(value).encode()) == value


@given(st.text(max_size=60))
def test_text_behind_a_document_is_refused_with_its_place(junk):
    text = '{"a":1}' + junk
    if junk.strip(" \t\n\r") == "":
        assert parse(text) == {"a": 1}
        return
    with pytest.raises(ContractError) as caught:
        parse(text)
    assert caught.value.problems[0][0].startswith(("line", "$"))
