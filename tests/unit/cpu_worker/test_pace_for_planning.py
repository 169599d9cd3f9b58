"""What a plan assumes about the speed of its workers."""

import pytest

from cpu_worker.pace import assumed_pace, measured_pace
from dropscore.contracts.measured import Timings
from dropscore.contracts.request import RunPolicy

TIMINGS = Timings(
    device="cuda", setup_s=0.2, megapixel_s=0.01, lanes=3, shards=9, updated_at="2026-01-01T00:00:00.000000Z"
)


@pytest.mark.parametrize(("max_workers", "lanes"), [(1, 3), (2, 6), (8, 6)])
def test_a_plan_counts_on_two_workers_at_most(max_workers: int, lanes: int) -> None:
    assert measured_pace(TIMINGS, RunPolicy(max_workers=max_workers)).lanes == lanes


def test_measured_and_assumed_paces_say_which_they_are() -> None:
    assert measured_pace(TIMINGS, RunPolicy()).measured
    assert not assumed_pace(RunPolicy()).measured
