"""Some hundred spoiled pictures and videos; `make fuzz-media CASES=100000` gives more."""

import pytest
from fuzz_media import run

CASES = 120


@pytest.mark.fault(64)
def test_no_picture_and_no_video_does_harm():
    said, wrong = run(CASES, seed=1)

    assert wrong == []
    assert said["read"] > 10
    assert sum(count for answer, count in said.items() if answer.startswith("E-INPUT-")) > 20
