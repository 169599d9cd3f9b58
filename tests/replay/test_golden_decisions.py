"""The orchestrators decide today what they decided when their goldens were committed."""

import pytest
from scenarios import GOLDEN, SCENARIOS, text_of


@pytest.mark.fault(39)
@pytest.mark.parametrize("name", SCENARIOS)
def test_decisions_are_those_committed(name: str) -> None:
    assert text_of(SCENARIOS[name]()) == (GOLDEN / f"{name}.json").read_text("utf-8")


def test_every_golden_belongs_to_a_scenario() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(SCENARIOS)
