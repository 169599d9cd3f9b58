"""The codec refuses what the standard parser lets through, and says where and why."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropscore.contracts.codec import MAX_DEPTH, decode, encode, encode_bytes, parse
from dropscore.contracts.errors import ContractError
from dropscore.contracts.plan import MAX_MESSAGE_BYTES, ShardMessage, ShardSpec
from dropscore.contracts.request import RunRequest

REQUEST = {"workload": "style_transfer", "inputs": ["film.mp4"]}


def refusal(text: bytes | str) -> str:
    with pytest.raises(ContractError) as caught:
        decode(RunRequest, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        (b"", "line 1 column 1", "Expecting value"),
        (b"{", "line 1 column 2", "Expecting property name"),
        (b'{"workload": "a",\n "inputs": [1,]}', "line 2 column 14", "Illegal trailing comma"),
        (b'{"workload": NaN}', "$", "NaN is not a JSON number"),
        (b'{"workload": -Infinity}', "$", "-Infinity is not a JSON number"),
        (b'{"workload": 1e999}', "$", "the number 1e999 is too large"),
        (b'{"a": 1, "a": 2}', "$", "the key 'a' appears twice"),
        (b'{"workload": ' + b"9" * 5000 + b"}", "$", "integer string conversion"),
        ("{}".encode("utf-16"), "byte 0", "not UTF-8 text"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "$", f"nested deeper than {MAX_DEPTH} levels"),
        (b"[" * 100_000, "$", "nested deeper"),
    ],
)
def test_text_that_is_not_strict_json_is_refused_with_its_place(text: bytes, where: str, reason: str) -> None:
    message = refusal(text)
    assert where in message
    assert reason in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"inputs": None}, "$.inputs: "),
        ({"inputs": []}, "at least 1 item"),
        ({"inputs": ["a", 3]}, "$.inputs[1]: "),
        ({"workload": 7}, "got 7"),
        ({"lane": "fast"}, "'urgent', 'normal' or 'offpeak', got 'fast'"),
        ({"colour": "red"}, "$.colour: unknown field"),
        ({"policy": {"lease_s": "10"}}, "$.policy.lease_s: "),
        ({"policy": {"max_workers": 1.5}}, "$.policy.max_workers: "),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_its_value(change: dict[str, object], expected: str) -> None:
    assert expected in refusal(json.dumps(REQUEST | change))


def test_a_missing_field_is_named() -> None:
    assert "$.inputs: missing" in refusal(b'{"workload": "style_transfer"}')


def test_a_byte_order_mark_is_accepted() -> None:
    assert decode(RunRequest, b"\xef\xbb\xbf" + json.dumps(REQUEST).encode()).inputs == ("film.mp4",)


def test_braces_inside_strings_do_not_count_as_nesting() -> None:
    assert parse(json.dumps(["[{" * 500, '\\"[' * 500])) == ["[{" * 500, '\\"[' * 500]


@pytest.mark.fault(8)
@pytest.mark.fault(40)
def test_another_schema_version_is_refused() -> None:
    message = ShardMessage(run_id="run-1", shard=ShardSpec(shard_id=0, input_index=0, first_item=0, items=1))
    plain = encode(message)
    assert isinstance(plain, dict)
    with pytest.raises(ContractError, match=r"\$\.schema_version: Input should be 1, got 2"):
        decode(ShardMessage, plain | {"schema_version": 2})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_parse_reads_whatever_json_writes(value: object) -> None:
    assert parse(json.dumps(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_either_decoded_or_refused_as_a_contract_error(text: bytes) -> None:
    with suppress(ContractError):
        assert decode(RunRequest, text).inputs


@given(
    shard=st.builds(
        ShardSpec,
        shard_id=st.integers(0, 10**5),
        input_index=st.integers(0, 10**5),
        first_item=st.integers(0, 10**9),
        items=st.integers(1, 10**6),
        work=st.dictionaries(st.text(max_size=8), st.integers(-(2**40), 2**40), max_size=8),
    )
)
def test_a_shard_message_survives_the_wire_and_stays_small(shard: ShardSpec) -> None:
    message = ShardMessage(run_id="film-night-3f9a0c1d2e4b5a67", shard=shard)
    wire = encode_bytes(message)
    assert decode(ShardMessage, wire) == message
    assert len(wire) <= MAX_MESSAGE_BYTES
