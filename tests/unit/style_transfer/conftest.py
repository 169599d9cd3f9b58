"""Whole runs without cloud and network: plan, score with a stand-in, stitch."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "media"))  # the clips made there

from in_memory import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Runs style transfer over files in memory; outputs land below `tmp_path`."""
    return Studio(tmp_path)
