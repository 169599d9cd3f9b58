"""The page of faults: as the tests' marks say, and no fault forgotten."""

from pathlib import Path

import pytest

from tools.faults_page import PAGE, ROOT, page
from tools.faults_page.marks import Shown, shown_by
from tools.faults_page.titles import LATER, PARTLY, TITLES


@pytest.fixture(scope="module")
def shown():
    return shown_by(ROOT / "tests")


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tools.faults_page`"


def test_every_fault_is_shown_by_a_test_or_said_to_wait(shown):
    assert list(TITLES) == list(range(1, 73))
    forgotten = [f"{number} {title}" for number, title in TITLES.items() if number not in {*shown, *LATER}]
    assert forgotten == []


def test_no_test_carries_a_number_that_is_no_fault(shown):
    assert set(shown) <= set(TITLES)


def test_what_is_said_to_wait_has_no_test_yet_and_what_waits_in_part_has_some(shown):
    assert set(LATER) & set(shown) == set(), "take these out of LATER"
    assert set(PARTLY) <= set(shown), "these belong into LATER"


def test_marks_are_found_on_tests_on_parameters_and_on_modules(tmp_path: Path):
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.slow, pytest.mark.fault(1)]\n"
        "@pytest.mark.fault(2)\n"
        "@pytest.mark.fault(3)\n"
        "def test_one_thing(): ...\n"
        "class TestMore:\n"
        "    @pytest.mark.parametrize('a', [pytest.param(1, marks=pytest.mark.fault(4))])\n"
        "    async def test_another(self, a): ...\n"
        "@pytest.mark.fault(5)\n"
        "def no_test(): ...\n"
    )
    one, another = Shown("test_some.py", "one thing"), Shown("test_some.py", "another")
    assert shown_by(tmp_path) == {1: [another, one], 2: [one], 3: [one], 4: [another]}
