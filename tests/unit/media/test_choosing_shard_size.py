import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropscore.contracts.plan import MAX_SHARDS
from dropscore.workloads.base import Pace
from dropscore.workloads.media.shard_size import MAX_ITEMS, MAX_PIXELS, choose_shard_size


def choose(items, *, setup_s=0.1, item_s=0.1, lanes=1, target_shard_s=1000.0, dropped=None):
    pace = Pace(setup_s=setup_s, megapixel_s=item_s, lanes=lanes, measured=True)
    return choose_shard_size(items=items, pixels=1e6, pace=pace, target_shard_s=target_shard_s, dropped=dropped)


@pytest.mark.parametrize(
    ("items", "arguments", "size"),
    [
        # costly set-up: as few shards as there are lanes
        (100, {"setup_s": 100.0, "lanes": 1}, 100),
        (100, {"setup_s": 100.0, "lanes": 4}, 25),
        # the longest shard allowed bounds the size: 1.2 s of 0.04 s each
        (300, {"setup_s": 0.05, "item_s": 0.04, "target_shard_s": 1.2}, 30),
        # one item takes longer than a shard may: one item a shard all the same
        (10, {"item_s": 100.0, "target_shard_s": 30.0}, 1),
        (1, {}, 1),
    ],
)
def test_the_size_is_what_the_costs_say(items, arguments, size):
    assert choose(items, **arguments).items == size


def test_large_frames_make_shards_of_few_so_that_parts_fit_into_memory():
    pace = Pace(setup_s=1.0, megapixel_s=0.001, lanes=1, measured=True)
    chosen = choose_shard_size(items=5000, pixels=3840 * 2160, pace=pace, target_shard_s=1000.0)
    assert 60 < chosen.items <= MAX_PIXELS / (3840 * 2160)


def test_more_lanes_make_smaller_shards_so_that_none_waits_long():
    assert choose(1000, lanes=8, setup_s=0.05).items < choose(1000, lanes=2, setup_s=0.05).items


def test_decoding_in_vain_makes_larger_shards():
    """A single group of 1000 pictures: a shard that begins at n decodes n frames first."""

    def wasted(size):
        return sum(range(0, 1000, size))

    cheap = choose(1000, item_s=0.003, setup_s=0.01, lanes=4)
    assert choose(1000, item_s=0.003, setup_s=0.01, lanes=4, dropped=wasted).items > 2 * cheap.items


def test_the_reason_names_the_figures():
    reason = choose(300, setup_s=0.05, item_s=0.04, target_shard_s=1.2).reason
    assert reason.startswith("30 items a shard: 10 shards on 1 lane, each 0.05 s of set-up and 30 x 0.040 s (measured)")
    assert "20 would take" in reason


@given(
    items=st.integers(1, 10_000_000),
    setup_s=st.floats(0, 10),
    item_s=st.floats(0, 100),
    lanes=st.integers(0, 64),
    target_shard_s=st.floats(0.01, 3600),
)
def test_any_pace_gives_a_size_within_the_limits(items, setup_s, item_s, lanes, target_shard_s):
    chosen = choose(items, setup_s=setup_s, item_s=item_s, lanes=lanes, target_shard_s=target_shard_s)
    assert 1 <= chosen.items <= items
    assert -(-items // chosen.items) <= MAX_SHARDS
    fewest = -(-items // MAX_SHARDS)
    assert chosen.items <= max(MAX_ITEMS, fewest)
    assert chosen.items <= fewest or chosen.items == 1 or chosen.items * item_s <= target_shard_s * 1.001
