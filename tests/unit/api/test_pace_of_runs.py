"""How fast a run goes, from its verdicts."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from dropscore.api.insight.boards import Step
from dropscore.api.insight.pace import Pace, pace
from dropscore.cloud.clock import utc_text

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> str:
    return utc_text(BEGIN + timedelta(seconds=seconds))


def step(end_s: float, items: int = 10, duration_s: float = 1.0) -> Step:
    return Step(at=at(end_s), items=items, duration_s=duration_s)


def schedule(shards: int, workers: int, *, jitter: float = 0.0, apart_s: float = 0.0, seed: int = 0) -> list[Step]:
    """Shards of about a second each, scored by workers of which each begins `apart_s` after the one before."""
    chance = random.Random(seed)
    free = [apart_s * number for number in range(workers)]
    steps = []
    for _ in range(shards):
        worker = free.index(min(free))
        duration_s = 1.0 + chance.uniform(-jitter, jitter)
        free[worker] += duration_s
        steps.append(step(free[worker], duration_s=duration_s))
    return sorted(steps, key=lambda one: one.at)


def test_nothing_is_said_before_three_shards_are_settled() -> None:
    assert pace([step(1), step(2)], left=80, now=at(2)) == Pace()
    assert pace([step(1), step(2), step(3)], left=70, now=at(3)).rate_per_s == pytest.approx(10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("apart_s", [0.0, 0.13, 0.5])
@pytest.mark.parametrize(("shards", "workers"), [(12, 1), (40, 1), (40, 2), (64, 4), (200, 8), (2000, 16)])
def test_the_end_is_known_within_a_fifth_after_a_quarter_of_even_work(
    shards: int, workers: int, apart_s: float, jitter: float, seed: int
) -> None:
    steps = schedule(shards, workers, jitter=jitter, apart_s=apart_s, seed=seed)
    seen = steps[: shards // 4]
    now = datetime.fromisoformat(seen[-1].at)
    really_s = (datetime.fromisoformat(steps[-1].at) - now).total_seconds()
    told = pace(seen[-200:], left=10 * (shards - len(seen)), now=seen[-1].at)
    assert told.eta_s is not None
    assert told.eta_s == pytest.approx(really_s, rel=0.2)


def test_time_passes_between_shards_too() -> None:
    steps = [step(1), step(2), step(3)]
    told = [pace(steps, left=70, now=at(now)).eta_s for now in (3, 4, 9.5)]
    assert told == pytest.approx([7, 6, 0.5])


def test_a_run_that_stands_still_is_not_said_to_be_nearly_done() -> None:
    steps = [step(1), step(2), step(3)]
    assert pace(steps, left=10, now=at(5)).eta_s == 0
    assert pace(steps, left=10, now=at(60)).eta_s is None


@pytest.mark.parametrize("ends", [[0, *range(60, 70)], [*range(1, 12), 42, 43]])
def test_a_slow_start_and_a_pause_hardly_move_the_rate(ends: list[int]) -> None:
    assert pace([step(end) for end in ends], left=10, now=at(ends[-1])).rate_per_s == pytest.approx(10, rel=0.1)


def test_shards_that_all_ended_at_once_tell_what_they_took() -> None:
    assert pace([step(2, duration_s=2.0)] * 4, left=40, now=at(2)).rate_per_s == pytest.approx(20)
