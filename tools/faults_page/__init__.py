"""Writes `docs/faults.md`, the table of numbered faults, out of the marks of the tests.

`python -m tools.faults_page` does it.
"""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from tools.faults_page.marks import Shown, shown_by
from tools.faults_page.titles import LATER, PARTLY, TITLES

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "faults.md"
NAMED: Final = 3
"""Most tests of one file that are named one by one."""

HEAD: Final = """# Faults

What can go wrong has a number, and tests that show what the product does about it; they carry the number as \
`@pytest.mark.fault(7)`. What is done to whole runs stands in [reliability](reliability.md), what a user is told in \
[failure codes](codes.md). This page is made by `python -m tools.faults_page`.

| # | fault | shown by |
|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    shown = shown_by(ROOT / "tests")
    return HEAD + "".join(f"| {number} | {title} | {_cell(number, shown)} |\n" for number, title in TITLES.items())


def _cell(number: int, shown: Mapping[int, list[Shown]]) -> str:
    tests = shown.get(number, [])
    lines = [_of_file(file, list(of_file)) for file, of_file in groupby(tests, key=lambda one: one.file)]
    if number in LATER:
        lines.append(f"not yet: concerns {LATER[number]}")
    if number in PARTLY:
        lines.append(f"not yet in part: concerns {PARTLY[number]}")
    return "<br>".join(lines)


def _of_file(file: str, tests: list[Shown]) -> str:
    link = f"[{file}](../tests/{file})"
    if len(tests) > NAMED:
        return f"{link}: {len(tests)} tests"
    return f"{link}: {'; '.join(one.words for one in tests)}"
