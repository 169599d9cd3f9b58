"""What is installed is what it was when it was chosen: pinned by digest, from no address of somebody's own."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.fault(71)


@pytest.fixture
def locked(repository: Path) -> list[str]:
    """The requirements of the lock file, each with its digests on one line."""
    text = (repository / "requirements-lock.txt").read_text()
    whole = re.sub(r"\\\n\s*", "", text)
    return [line for line in whole.splitlines() if line and not line.lstrip().startswith("#")]


def test_every_requirement_has_one_version_and_digests(locked: list[str]) -> None:
    assert len(locked) > 50
    for line in locked:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", line), line
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line), line


def test_nothing_is_installed_from_an_address(locked: list[str]) -> None:
    assert [line for line in locked if "://" in line or line.startswith("-")] == []


def test_setting_up_installs_the_lock_file_alone_and_holds_it_to_its_digests(repository: Path) -> None:
    setup = (repository / "Makefile").read_text()
    assert "--require-hashes -r requirements-lock.txt" in setup
    assert "--no-deps --editable ." in setup
