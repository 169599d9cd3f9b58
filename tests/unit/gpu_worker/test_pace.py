"""What is measured of shards, and what planners get to read."""

import pytest
from worker_parts import job, loaded

from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.measured import Timings
from dropscore.contracts.names import Lane
from dropscore.contracts.request import AdmittedRun, ModelRef, RunPolicy
from gpu_worker.pace import WRITE_S, Pace
from gpu_worker.runs import RunContext

PATH = layout.timings("mosaic", "1", "cpu-test")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def blobs(clock: ManualClock) -> MemoryBlobs:
    return MemoryBlobs(clock)


@pytest.fixture
def pace(blobs: MemoryBlobs, clock: ManualClock) -> Pace:
    return Pace(blobs, clock, device_kind="cpu-test", lanes=2)


def context() -> RunContext:
    run = AdmittedRun(
        run_id="run-1",
        workload="toy",
        options={},
        model=ModelRef(name="mosaic", version="1", digest="0" * 64),
        lane=Lane.NORMAL,
        policy=RunPolicy(),
        input_count=1,
        input_bytes=1,
        options_digest="0" * 64,
    )
    return RunContext(run=run, options=None, scoring=None, inputs=None, extra_versions=())  # type: ignore[arg-type]


def score(pace: Pace, clock: ManualClock, seconds: float, *, megapixels: float = 1.0, load_s: float = 0.0) -> None:
    from dataclasses import replace

    one = job(clock, model=replace(loaded(), load_s=load_s))
    one.context, one.megapixels, one.setup_s = context(), megapixels, 0.1
    clock.advance(seconds)
    pace.ended(one, 0.2)


def stored(blobs: MemoryBlobs) -> Timings:
    return decode(Timings, blobs.get(PATH).data)


def test_nothing_is_known_before_the_first_shard(pace):
    assert pace.shard_s is None


def test_the_time_of_a_shard_is_that_from_one_end_to_the_next(pace, clock):
    score(pace, clock, 2.0)
    assert pace.shard_s == pytest.approx(2.0)


def test_shards_that_overlap_are_not_counted_twice(pace, clock):
    first, second = (job(clock, model=loaded()) for _ in range(2))
    for one in (first, second):
        one.context, one.megapixels = context(), 1.0
    clock.advance(2.0)
    pace.ended(first, 0.0)
    clock.advance(1.0)
    pace.ended(second, 0.0)
    assert pace.shard_s == pytest.approx(2.0 + 0.2 * (1.0 - 2.0))


def test_idle_time_between_shards_is_not_counted(pace, clock):
    score(pace, clock, 2.0)
    clock.advance(1000)
    score(pace, clock, 2.0)
    assert pace.shard_s == pytest.approx(2.0)


def test_a_shard_that_had_to_load_its_model_is_left_out(pace, clock):
    score(pace, clock, 60.0, load_s=50.0)
    assert pace.shard_s is None


def test_shards_that_are_not_scored_are_quick_too_but_tell_planners_nothing(pace, clock, blobs):
    clock.advance(1.0)
    pace.ended(job(clock), None)
    assert pace.shard_s == pytest.approx(0.0)
    pace.write()
    assert blobs.head(PATH) is None


def test_timings_are_written_in_lane_seconds_for_a_million_pixels(pace, clock, blobs):
    score(pace, clock, 3.0, megapixels=6.0)
    pace.write()
    timings = stored(blobs)
    assert timings.megapixel_s == pytest.approx(3.0 / 6.0 * 2)  # two lanes
    assert timings.setup_s == pytest.approx(0.3)
    assert (timings.lanes, timings.shards, timings.device) == (2, 1, "cpu-test")


def test_they_are_written_at_most_once_a_minute(pace, clock, blobs):
    for _ in range(10):
        score(pace, clock, 1.0)
        pace.write()
    assert blobs.operations.counts()["blob.put"] == 1
    clock.advance(WRITE_S)
    pace.write()
    assert blobs.operations.counts()["blob.put"] == 2
    assert stored(blobs).shards == 10


def test_earlier_measurements_count_for_less_the_more_new_ones_there_are(pace, clock, blobs):
    before = Timings(device="cpu-test", setup_s=0.3, megapixel_s=10.0, lanes=2, shards=50, updated_at="x")
    blobs.put(PATH, encode_bytes(before))
    for _ in range(20):
        score(pace, clock, 1.0)
    pace.write()
    assert 2.0 < stored(blobs).megapixel_s < 2.2
    assert stored(blobs).shards == 70
