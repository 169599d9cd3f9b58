"""Fixtures of the cloud room's tests."""

from collections.abc import Iterator

import pytest
from scripted import Service, scripted_service


@pytest.fixture
def service() -> Iterator[Service]:
    """A scripted service of its own for each test."""
    with scripted_service() as service:
        yield service


@pytest.fixture
def check_spec(specifications, monkeypatch):
    """Microsoft's documents and the module that checks exchanges against them; only for tests marked `shared`."""
    monkeypatch.syspath_prepend(str(specifications))
    import check_spec

    return check_spec
