"""What every room of the tests shares: where the development data lies, waiting without sleeping, clean settings."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SUMMING_S = 0.2
"""Processor seconds in which the machine that bars are meant for sums two million squares: a choice, near the best that
the two-core machine of `docs/benchmarks.md` does.
"""

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that none of them is left for the end, when the other processes have nothing
    to do any more. What needs the development data is skipped, with the reason, where it is absent.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if (SHARED / "data").is_dir():
        return
    absent = pytest.mark.skip(reason="the development data (../shared) is not beside the repository")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(absent)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files; only for tests marked `shared`."""
    return SHARED / "data"


@pytest.fixture(scope="session")
def specifications() -> Path:
    """Microsoft's published interface documents and their checkers; only for tests marked `shared`."""
    return SHARED / "specs"


@pytest.fixture
def slowness() -> float:
    """How many times longer than `SUMMING_S` two million squares take here and now, 1 if less: what bars in processor
    seconds are multiplied by. A core that is shared with others counts the seconds that those take from it.
    """

    def seconds() -> float:
        began = time.process_time()
        sum(number * number for number in range(2_000_000))
        return time.process_time() - began

    return max(1.0, statistics.median(seconds() for _ in range(3)) / SUMMING_S)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition instead of sleeping: `wait_until(lambda: done(), within_s=5)`."""

    def wait(condition: Callable[[], object], *, within_s: float = 30.0, every_s: float = 0.01) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within_s} s: {condition}")
            time.sleep(every_s)

    return wait


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not change what a test sees."""
    for name in (
        "DROPSCORE_URL",
        "DROPSCORE_KEY",
        "DROPSCORE_TOKEN",
        "DROPSCORE_LOCAL",
        "DROPSCORE_CLOUD",
        "DataStorage",
        "SystemStorage",
    ):
        monkeypatch.delenv(name, raising=False)
