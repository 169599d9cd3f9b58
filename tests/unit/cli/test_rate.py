"""Rate and remaining time."""

import random

import pytest

from dropscore.cli.rate import Progress


def progress_of(steps: list[tuple[float, int]]) -> Progress:
    progress = Progress()
    for at_s, done in steps:
        progress.see(at_s, done)
    return progress


def test_nothing_is_said_before_three_steps() -> None:
    assert progress_of([(1, 10), (2, 20)]).rate is None
    assert progress_of([(1, 10), (2, 20)]).eta_s(1, 100) is None


def test_the_time_in_which_workers_start_does_not_count() -> None:
    assert progress_of([(0, 0), (60, 10), (61, 20), (62, 30)]).rate == pytest.approx(10)


def test_a_steady_pace_is_its_slope() -> None:
    progress = progress_of([(1, 10), (2, 20), (3, 30)])

    assert progress.rate == pytest.approx(10)
    assert progress.eta_s(3, 100) == pytest.approx(7)
    assert progress.eta_s(4, 100) == pytest.approx(6), "time passes between steps too"


def test_looking_again_without_news_is_no_step() -> None:
    assert progress_of([(1, 10), (1.5, 10), (1.7, 10)]).rate is None


def test_a_long_pause_hardly_moves_the_rate() -> None:
    steady = [(float(n), 10 * n) for n in range(1, 12)]
    paused = [*steady, *((at + 30, done) for at, done in [(12.0, 120), (13.0, 130)])]

    assert progress_of(paused).rate == pytest.approx(10, rel=0.1)


def test_remaining_time_is_never_negative() -> None:
    assert progress_of([(1, 10), (2, 20), (3, 30)]).eta_s(100, 40) == 0


@pytest.mark.parametrize("seed", range(8))
def test_after_a_quarter_of_the_work_the_end_is_known_within_a_fifth(seed: int) -> None:
    """Shards of 20 items at 2 s each, give or take a third; two of them side by side."""
    chance = random.Random(seed)
    ends = sorted(end for lane in range(2) for end in lane_ends(chance, 30))
    total, progress = 60 * 20, Progress()
    for done, end in enumerate(ends[:16], start=1):
        progress.see(end, done * 20)

    remaining = progress.eta_s(ends[15], total)

    assert remaining == pytest.approx(ends[-1] - ends[15], rel=0.2)


def lane_ends(chance: random.Random, count: int) -> list[float]:
    at, ends = 0.0, []
    for _ in range(count):
        at += chance.uniform(1.33, 2.67)
        ends.append(at)
    return ends
