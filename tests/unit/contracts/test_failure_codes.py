"""The table of codes: whole, in sentences, and on the page as it is in the code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import CODES, Code, Failure, FailureClass, failure
from tools.codes_page import MEANING, PAGE, RETRIED, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tools.codes_page`"


def test_every_code_and_class_has_its_row():
    assert set(CODES) == set(Code)
    assert set(RETRIED) == set(MEANING) == set(FailureClass)


@pytest.mark.parametrize("code", list(Code))
def test_a_code_has_one_sentence_and_one_next_action(code):
    assert code.startswith("E-")
    for text in (CODES[code].meaning, CODES[code].action):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "|" not in text
        assert "\n" not in text


TEXTS = st.text(max_size=60) | st.none()


@given(
    code=st.sampled_from(list(Code)),
    message=TEXTS,
    field=TEXTS,
    detail=TEXTS,
    item=st.integers(0, 2**40) | st.none(),
    shard=st.integers(0, 2**31) | st.none(),
)
def test_any_failure_keeps_its_class_and_survives_every_wall(code, message, field, detail, item, shard):
    made = failure(code, message, field=field, detail=detail, item=item, shard_id=shard)

    assert made.failure_class is CODES[code].failure_class
    assert made.message == (message or CODES[code].meaning)
    assert made.action == CODES[code].action
    assert made.permanent == (made.failure_class in (FailureClass.BAD_INPUT, FailureClass.CANCELLED))
    assert decode(Failure, encode_bytes(made)) == made
    assert str(FailedError(made)) == f"{code}: {made.message}"
