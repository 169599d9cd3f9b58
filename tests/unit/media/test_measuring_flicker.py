import numpy as np
import pytest

from dropscore.workloads.media.flicker import GRID_POINTS, Flicker, FlickerMeter


def grey(level, size=(40, 60)):
    return np.full((*size, 3), level, dtype=np.uint8)


def measured(pairs):
    meter = FlickerMeter()
    for before, after in pairs:
        meter.add(before, after)
    return meter.total


def test_change_of_the_result_over_still_input_is_flicker():
    """Input moves by 1 level, the result by 10: ten times as much."""
    total = measured([(grey(100), grey(50)), (grey(101), grey(60)), (grey(100), grey(50))])
    assert total.pairs == 2
    assert total.ratio == pytest.approx(10.0)


def test_a_result_as_steady_as_its_input_has_ratio_one():
    rng = np.random.default_rng(0)
    frames = [np.clip(grey(100) + rng.integers(-1, 2, (40, 60, 3)), 0, 255).astype(np.uint8) for _ in range(5)]
    assert measured([(frame, frame) for frame in frames]).ratio == pytest.approx(1.0)


def test_moving_places_do_not_count():
    """The left half moves by 50 levels, in input and result; the right half stands still in both."""
    left, right = slice(0, 30), slice(30, 60)
    first, second = grey(100), grey(100)
    second[:, left] = 150
    total = measured([(first, first), (second, second)])
    assert total.points == 40 * 30
    assert total.output_change == 0
    boiling = second.copy()
    boiling[:, right] = 108
    assert measured([(first, first), (second, boiling)]).output_change == pytest.approx(40 * 30 * 8, rel=1e-5)


def test_a_cut_does_not_count():
    assert measured([(grey(10), grey(10)), (grey(200), grey(90))]) == Flicker()
    assert measured([(grey(10), grey(10)), (grey(200), grey(90))]).ratio is None


def test_one_frame_has_no_flicker():
    assert measured([(grey(10), grey(10))]).ratio is None


def test_large_frames_are_sampled():
    total = measured([(grey(1, (720, 1280)), grey(1, (720, 1280)))] * 2)
    assert 0 < total.points <= GRID_POINTS * GRID_POINTS


def test_shards_add_up_and_survive_json():
    one, two = measured([(grey(100), grey(50)), (grey(101), grey(60))]), measured([(grey(9), grey(9))] * 3)
    total = one + two
    assert (total.pairs, total.points) == (3, 3 * 40 * 60)
    again = Flicker.from_json(total.to_json())
    assert (again.pairs, again.points) == (total.pairs, total.points)
    assert again.ratio == pytest.approx(total.ratio, rel=1e-6)


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"pairs": "1"}])
def test_foreign_json_counts_as_nothing(value):
    assert Flicker.from_json(value) == Flicker()
