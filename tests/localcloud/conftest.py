"""Fixtures of the local cloud's tests: a storage emulator for the session, and one that may be killed."""

from collections.abc import Iterator

import pytest

from localcloud.azurite import AzuriteEndpoints, running_azurite
from localcloud.node import NodeError


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzuriteEndpoints]:
    """One storage emulator for all tests of the session; tests use containers and queues of their own."""
    try:
        with running_azurite(tmp_path_factory.mktemp("azurite")) as endpoints:
            yield endpoints
    except NodeError as error:
        pytest.skip(f"no storage emulator: {error}")
