"""What is reported of a function that raised."""

import traceback

import pytest

from localcloud.host.functions import failed_outcome


class OwnError(Exception):
    """An error of a module."""


def fail(error):
    raise error


def reported(error):
    try:
        fail(error)
    except Exception as raised:  # noqa: BLE001 - the report of any exception is looked at
        return failed_outcome(repr(raised), traceback.format_exc())


@pytest.mark.parametrize(
    ("error", "error_type", "message"),
    [
        (ValueError("boom"), "ValueError", "boom"),
        (ValueError("two\nlines: of it"), "ValueError", "two\nlines: of it"),
        (OwnError("mine"), "OwnError", "mine"),
        (KeyError("k"), "KeyError", "'k'"),
        (RuntimeError(), "RuntimeError", "RuntimeError()"),
    ],
)
def test_type_and_message_are_those_of_the_exception(error, error_type, message):
    outcome = reported(error)
    assert not outcome.ok
    assert (outcome.error_type, outcome.error) == (error_type, message)
    assert "Traceback" in outcome.traceback
