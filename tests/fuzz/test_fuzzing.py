"""A few thousand spoiled texts for everything that reads texts of others; `make fuzz` gives a million."""

import logging

import pytest
from fuzz_long import run
from fuzz_targets import TARGETS, Target

CASES = 1500


@pytest.mark.fault(42)
@pytest.mark.fault(6)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_text_does_harm(
    target: Target, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    outcomes, wrong = run(target, CASES, seed=1)

    assert wrong == 0, capsys.readouterr().out
    assert sum(outcomes.counts.values()) == CASES
    assert len(outcomes.counts) > 1, "the texts are not all of one kind"
