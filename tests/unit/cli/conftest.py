"""A small cloud to call."""

from collections.abc import Iterator

import pytest
from small_cloud import SmallCloud, running_cloud


@pytest.fixture
def cloud() -> Iterator[SmallCloud]:
    with running_cloud() as small:
        yield small
