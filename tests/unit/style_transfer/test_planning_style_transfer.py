import hashlib
import io

import numpy as np
import pytest
from in_memory import Inputs
from made_clips import CLIPS, clip
from PIL import Image

from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import MAX_MESSAGE_BYTES, ShardMessage
from dropscore.workloads.base import Pace, PlanRequest
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.plan import plan
from dropscore.workloads.style_transfer.work import PictureWork, VideoWork, work_of


def picture(width=60, height=40, format_="PNG", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format_)
    return out.getvalue()


def test_a_video_is_cut_into_ranges_that_follow_each_other(studio):
    made = studio.make_plan({"clip.mp4": clip("open groups")}, items=12)
    assert [(shard.shard_id, shard.input_index, shard.first_item, shard.items) for shard in made.shards] == [
        (0, 0, 0, 12),
        (1, 0, 12, 12),
        (2, 0, 24, 12),
        (3, 0, 36, 12),
    ]
    works = [work_of(shard) for shard in made.shards]
    assert all(isinstance(work, VideoWork) for work in works)
    assert [work.start for work in works] == [work.key for work in works] == [0, 6144, 12288, 18432]
    assert [work.end for work in works] == [6144, 12288, 18432, 24576]


def test_the_plan_says_what_was_found(studio):
    made = studio.make_plan({"clip.mp4": clip("with sound")}, items=12)
    (summary,) = made.inputs
    assert summary.items == 48
    assert summary.facts == {
        "width_px": 128,
        "height_px": 96,
        "container": "MP4 or QuickTime",
        "codec": "h264",
        "frames_per_s": 24.0,
        "duration_s": 2.0,
        "samples": "yuv420p",
        "key_frames": 5,
        "sound": "aac",
    }
    assert summary.sha256 == hashlib.sha256(clip("with sound")).hexdigest()
    assert made.shard_items == 12
    assert made.reason.startswith("12 items a shard: 4 shards on 1 lane")


def test_several_videos_and_pictures_keep_the_order_of_the_inputs(studio):
    files = {
        "b.mp4": clip("plain"),
        "1.png": picture(seed=1),
        "2.png": picture(seed=2),
        "a.mkv": clip("matroska"),
        "3.png": picture(seed=3),
    }
    made = studio.make_plan(files, items=1000)
    kinds = [(shard.work["kind"], shard.input_index, shard.first_item, shard.items) for shard in made.shards]
    assert kinds == [("video", 0, 0, 48), ("pictures", 1, 48, 2), ("video", 3, 50, 48), ("pictures", 4, 98, 1)]
    assert [summary.name for summary in made.inputs] == list(files)


def test_pictures_of_different_sizes_never_share_a_shard(studio):
    sizes = [(60, 40), (60, 40), (40, 60), (60, 40), (60, 40), (60, 40)]
    files = {f"{n}.png": picture(*size, seed=n) for n, size in enumerate(sizes)}
    made = studio.make_plan(files, items=100)
    assert [work_of(shard).inputs for shard in made.shards] == [(0, 1), (2,), (3, 4, 5)]


def test_pictures_are_shared_out_evenly(studio):
    files = {f"{n}.png": picture(seed=n) for n in range(10)}
    made = studio.make_plan(files, items=4)
    assert [shard.items for shard in made.shards] == [4, 4, 2]


def test_a_small_video_gets_longer_shards_than_a_large_one(studio):
    """Shards are of equal work: `large` has 7.6 times the pixels of `small`."""
    made = studio.make_plan({"small.mp4": clip("plain"), "large.mp4": clip_of(352, 264)}, items=8)
    sizes = {index: max(s.items for s in made.shards if s.input_index == index) for index in (0, 1)}
    assert sizes[0] > 2 * sizes[1]


def clip_of(width, height):
    from made_clips import Clip, make

    return make(Clip(width=width, height=height))


def test_bad_inputs_are_refused_and_the_rest_goes_on(studio):
    files = {
        "text.mp4": b"not a video",
        "1.png": picture(seed=1),
        "empty.mp4": b"",
        "2.png": picture(seed=2),
        "cut.png": picture(seed=3)[:900],
        "good.mp4": clip("plain"),
        "half.mp4": clip("plain")[:3000],
    }
    made = studio.make_plan(files, items=1000)
    assert {failure.input: failure.code for failure in made.refused} == {
        "text.mp4": Code.INPUT_UNSUPPORTED,
        "empty.mp4": Code.INPUT_EMPTY,
        "cut.png": Code.INPUT_CORRUPT,
        "half.mp4": Code.INPUT_UNREADABLE,
    }
    assert [failure.input for failure in made.refused] == ["text.mp4", "empty.mp4", "cut.png", "half.mp4"]
    pictures, video = made.shards
    assert work_of(pictures) == PictureWork(runs=((1, 1), (3, 1)))
    assert (video.input_index, video.first_item, video.items) == (5, 2, 48)


def test_with_nothing_to_score_the_plan_has_no_shards(studio):
    made = studio.make_plan({"a.mp4": b"", "b.txt": b"text"})
    assert made.shards == ()
    assert len(made.refused) == 2


def test_messages_stay_small_whatever_the_names_and_gaps(studio):
    """Every second picture is refused, so that hardly any line follows another."""
    files = {f"{'n' * 300}{n}.png": picture(8, 8, seed=n) if n % 2 else b"junk" for n in range(600)}
    made = studio.make_plan(files, items=10_000)
    assert sum(shard.items for shard in made.shards) == 300
    for shard in made.shards:
        assert len(encode_bytes(ShardMessage(run_id="r" * 48, shard=shard))) <= MAX_MESSAGE_BYTES
    assert [line for shard in made.shards for line in work_of(shard).inputs] == list(range(1, 600, 2))


@pytest.mark.parametrize("name", CLIPS)
def test_every_kind_of_video_makes_small_messages(studio, name):
    for shard in studio.make_plan({"clip": clip(name)}, items=7).shards:
        assert len(encode_bytes(ShardMessage(run_id="r" * 48, shard=shard))) < 600


def truncated():
    from dataclasses import replace

    import av
    from made_clips import make

    data = make(replace(CLIPS["plain"], container_options={"moov_size": "20000"}))
    with av.open(io.BytesIO(data)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][30]
        return data[: packet.pos + 3]


@pytest.mark.fault(13)
def test_of_a_video_that_is_cut_off_what_is_there_is_scored_and_said(studio):
    made = studio.make_plan({"cut.mp4": truncated()})
    assert sum(shard.items for shard in made.shards) == 30
    assert "The end is missing: 30 frames are whole, 18 are cut off." in made.inputs[0].notes


@pytest.mark.fault(13)
def test_a_video_that_is_cut_off_can_be_refused(studio):
    made = studio.make_plan({"cut.mp4": truncated()}, on_truncated="refuse")
    (failure,) = made.refused
    assert failure.code is Code.INPUT_CORRUPT
    assert "30 frames are whole, 18 are cut off" in failure.message


def test_planning_twice_gives_the_same_plan(studio):
    files = {"a.mp4": clip("plain"), "1.png": picture()}
    assert studio.make_plan(files, items=10) == studio.make_plan(files, items=10)


def test_large_inputs_are_not_read_whole(studio, monkeypatch):
    monkeypatch.setattr("dropscore.workloads.style_transfer.plan.READ_WHOLE_BYTES", 100)
    made = studio.make_plan({"a.mp4": clip("plain")})
    assert made.inputs[0].sha256 is None
    assert made.inputs[0].items == 48


def test_a_fault_of_storage_is_not_written_down_as_a_bad_input():
    class Away(Inputs):
        def open(self, input_index):
            raise TransientCloudError("storage did not answer")

    pace = Pace(setup_s=0.1, megapixel_s=0.1, lanes=1, measured=True)
    options = StyleTransferOptions()
    with pytest.raises(TransientCloudError):
        plan(PlanRequest(run_id="r", options=options, inputs=Away({"a.mp4": b"x"}), pace=pace, target_shard_s=1.0))
