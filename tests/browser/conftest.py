"""A browser for the whole room, where there is one."""

import shutil
from collections.abc import Iterator

import pytest
from chromium import Tab, open_tab


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A tab of Chromium; skips where it is not installed."""
    binary = shutil.which("chromium")
    if binary is None:
        pytest.skip("Chromium is not installed: tests of pages need it (Debian: apt-get install chromium)")
    with open_tab(binary, tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
