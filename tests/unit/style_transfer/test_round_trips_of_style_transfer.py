import hashlib
import io

import av
import numpy as np
import pytest
from made_clips import CLIPS, Clip, clip, frame_numbers, frame_times, make, number_in, sound_packets
from PIL import Image

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.style_transfer.frames import open_sink, open_source


def inverted(pixels):
    return 255 - pixels


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("name", CLIPS)
def test_a_video_comes_out_whole_and_in_time(studio, name):
    stitched = studio.run({f"films/{name}.mp4": clip(name)}, inverted, items=9)
    result, comparison = stitched.outputs
    assert result.name.startswith(f"{name}-styled.")
    assert comparison.name.startswith(f"{name}-side-by-side.")
    frames = probe_video(io.BytesIO(clip(name)), name).timeline.frames
    assert (stitched.items_published, stitched.items_missing) == (frames, 0)
    assert len(frame_times(studio.output(result.name))) == frames
    if result.name.endswith(".mkv"):
        return
    assert frame_times(studio.output(result.name)) == frame_times(clip(name))
    assert len(sound_packets(studio.output(result.name))) == len(sound_packets(clip(name)))


def test_every_result_stands_in_its_place(studio):
    stitched = studio.run({"a.mp4": clip("b-frames")}, inverted, items=7)
    with av.open(io.BytesIO(studio.output(stitched.outputs[0].name))) as container:
        shown = [number_in(255 - frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert shown == list(range(48))


def test_outputs_are_described_by_their_bytes(studio):
    stitched = studio.run({"a.mp4": clip("with sound")})
    for output in stitched.outputs:
        data = studio.output(output.name)
        assert output.size_bytes == len(data)
        assert output.sha256 == hashlib.sha256(data).hexdigest()
        assert output.media_type == "video/mp4"
    assert stitched.outputs[0].facts["frames"] == 48
    assert stitched.outputs[0].facts["copied_packets"] == len(sound_packets(clip("with sound"))[0])


def test_the_shards_do_not_show_in_the_output(studio, tmp_path):
    """However a video is cut, the frames are the same; the bytes differ by where the encoder starts anew."""
    one = studio.run({"a.mp4": clip("plain")}, items=1000)
    numbers = frame_numbers(studio.output(one.outputs[0].name))
    many = studio.run({"a.mp4": clip("plain")}, items=5)
    assert frame_numbers(studio.output(many.outputs[0].name)) == numbers == list(range(48))


def test_running_twice_gives_the_same_bytes(studio):
    def outputs():
        stitched = studio.run(
            {"a.mp4": clip("with sound"), "b.png": png(np.full((8, 8, 3), 7, np.uint8))}, inverted, items=9
        )
        return [(output.name, studio.output(output.name)) for output in stitched.outputs]

    assert outputs() == outputs()


def test_without_side_by_side_there_is_one_output(studio):
    stitched = studio.run({"a.mp4": clip("one key frame")}, side_by_side=False, items=20)
    assert [output.name for output in stitched.outputs] == ["a-styled.mp4"]
    assert len(stitched.before) == len(stitched.after) == 4


@pytest.mark.parametrize("kind", ["one key frame", "plain", "variable rate"])
def test_the_same_bytes_come_out_however_the_shards_were_cut(studio, kind):
    outcomes = []
    for items in (1, 17, 1000):
        stitched = studio.run({"a.mp4": clip(kind)}, items=items)
        outcomes.append(([output.sha256 for output in stitched.outputs], stitched.metrics))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_names_are_unique_and_tame(studio):
    files = {"x/clip.mp4": clip("one frame"), "y/clip.MP4": clip("one frame"), "y/ä b#c?.mp4": clip("one frame")}
    stitched = studio.run(files, side_by_side=False)
    names = [output.name for output in stitched.outputs]
    assert names == ["clip-styled.mp4", "clip-2-styled.mp4", "ä b#c_-styled.mp4"]


def test_pictures_keep_name_format_and_size(studio):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG")
    files = {
        "in/one.png": png(pixels),
        "in/two.JPEG": jpeg.getvalue(),
        "in/three.txt": png(pixels),
        "other/one.png": png(pixels),
    }
    stitched = studio.run(files, inverted, items=2)
    assert [output.name for output in stitched.outputs] == ["one.png", "two.JPEG", "three.png", "one-2.png"]
    assert [output.media_type for output in stitched.outputs] == ["image/png", "image/jpeg", "image/png", "image/png"]
    shown = np.asarray(Image.open(io.BytesIO(studio.output("one.png"))))
    assert np.array_equal(shown, 255 - pixels)
    assert Image.open(io.BytesIO(studio.output("two.JPEG"))).size == (60, 40)


def test_a_mix_of_videos_and_pictures_comes_out_in_order(studio):
    files = {
        "1.png": png(np.full((8, 8, 3), 1, np.uint8)),
        "a.mp4": clip("plain"),
        "2.png": png(np.full((8, 8, 3), 2, np.uint8)),
    }
    stitched = studio.run(files)
    assert [output.name for output in stitched.outputs] == ["1.png", "a-styled.mp4", "a-side-by-side.mp4", "2.png"]
    assert stitched.items_published == 50


def test_the_report_gets_pairs_of_pictures_spread_over_the_run(studio):
    stitched = studio.run({"a.mp4": clip("one key frame"), "b.mp4": clip("one key frame")}, inverted, items=24)
    assert [picture.item for picture in stitched.before] == [12, 36, 60, 84]
    assert [picture.caption for picture in stitched.before][:2] == ["a.mp4 at 0:00.5", "a.mp4 at 0:01.5"]
    for before, after in zip(stitched.before, stitched.after, strict=True):
        shown = [np.asarray(Image.open(io.BytesIO(picture.jpeg))) for picture in (before, after)]
        assert number_in(shown[0]) == number_in(255 - shown[1]) == before.item % 48


def test_titles_and_captions_call_files_by_their_own_name(studio):
    picture = png(np.full((8, 8, 3), 7, np.uint8))
    stitched = studio.run({"20260301-5f3a1c/a.mp4": clip("plain"), "20260301-5f3a1c/b.png": picture})
    titles = [output.title for output in stitched.outputs]
    assert titles == ["a.mp4, styled", "a.mp4, original and result side by side", "b.png, styled"]
    assert {picture.caption.partition(" at ")[0] for picture in stitched.before} == {"a.mp4", "b.png"}


def test_at_most_twelve_pairs_are_kept(studio):
    stitched = studio.run({"a.mp4": make(Clip(frames=200, width=32, height=32, gop=25))}, items=5)
    assert len(stitched.before) == 12
    gaps = np.diff([picture.item for picture in stitched.before])
    assert gaps.max() <= 2 * 200 / 12


def test_flicker_of_all_shards_is_reported(studio):
    calm = studio.run({"a.mp4": clip("one key frame")}, items=12)
    level = iter(range(10_000))

    def boiling(pixels):
        return np.clip(pixels.astype(int) + (next(level) % 2) * 40, 0, 255).astype(np.uint8)

    wild = studio.run({"a.mp4": clip("one key frame")}, boiling, items=12)
    assert calm.metrics["flicker_frame_pairs"] == 44
    assert wild.metrics["flicker_ratio"] > 5 * calm.metrics["flicker_ratio"]
    assert "flicker is visible" in wild.notes[-1]


def test_parts_hold_what_the_sink_was_given_in_order(studio):
    studio.make_plan({"a.mp4": clip("plain")}, items=12)
    shard = studio.plan.shards[1]
    items = list(open_source(shard, studio.options, studio.inputs))
    assert [item.index for item in items] == list(range(shard.first_item, shard.first_item + shard.items))
    sink = open_sink(shard, studio.options)
    with pytest.raises(ValueError, match="is out of order"):
        sink.write(items[1], items[1].pixels)
    sink.abort()


@pytest.mark.fault(48)
def test_a_shard_that_is_listed_twice_or_left_out_is_noticed(studio):
    studio.make_plan({"a.mp4": clip("plain")}, items=12)
    studio.score()
    shards = studio.plan.shards
    for spoilt in (shards[:1] + shards, shards[1:], shards[:-1], (shards[1], shards[0], *shards[2:])):
        with pytest.raises(FailedError, match="the plan is not whole"):
            studio.stitch_shards(spoilt)


@pytest.mark.fault(48)
def test_parts_that_were_swapped_are_noticed(studio):
    studio.make_plan({"a.mp4": make(Clip(frames=24, time_base=None, gop=1000))}, items=11)
    studio.score()
    sizes = [shard.items for shard in studio.plan.shards]
    assert sizes[0] == sizes[1]
    swapped = dict(studio.parts.data)
    studio.parts.data = {**swapped, 0: swapped[0][:100]}
    with pytest.raises(FailedError, match="do not fit together"):
        studio.stitch()


# --- real clips


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "carphone_pristine.mp4", "realshort.mp4", "vtest_part1.avi"])
def test_real_clips_come_out_whole(studio, shared_data, name):
    data = (shared_data / "video" / name).read_bytes()
    stitched = studio.run({name: data}, items=40, preset="ultrafast", side_by_side=name == "realshort.mp4")
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(data)
    assert sound_packets(result) == sound_packets(data)
    before, after = probe_video(io.BytesIO(data), name), probe_video(io.BytesIO(result), name)
    assert after.size == before.size
    assert after.sample_aspect == before.sample_aspect
    assert psnr(data, result) > 30


def psnr(data, result):
    """Likeness of the first 20 frames in decibels."""
    errors = []
    with av.open(io.BytesIO(data)) as one, av.open(io.BytesIO(result)) as two:
        for number, (a, b) in enumerate(zip(one.decode(video=0), two.decode(video=0), strict=False)):
            errors.append(np.mean((a.to_ndarray(format="rgb24").astype(int) - b.to_ndarray(format="rgb24")) ** 2))
            if number == 20:
                break
    return 10 * np.log10(255**2 / np.mean(errors))


BAD_VIDEOS = {
    "bbb_sunflower_QCIF_30fps_mp4v_noaudio_1f.mp4": 1,
    "minimal.mp4": 1,
    "truncated_third.avi": 75,
    "empty.mp4": Code.INPUT_EMPTY,
    "invalid_userdata.mp4": Code.INPUT_UNREADABLE,
    "test_case_1185230.mp4": Code.INPUT_UNREADABLE,
    "truncated_half.mp4": Code.INPUT_UNREADABLE,
    "zero_empty_stsc.mp4": Code.INPUT_UNREADABLE,
}


@pytest.mark.fault(12)
@pytest.mark.shared
@pytest.mark.parametrize("name", BAD_VIDEOS)
def test_bad_videos_work_or_say_what_is_wrong(studio, shared_data, name):
    data = (shared_data / "bad_inputs" / "video" / name).read_bytes()
    made = studio.make_plan({name: data, "good.mp4": clip("one frame")}, items=30, preset="ultrafast")
    expected = BAD_VIDEOS[name]
    if isinstance(expected, Code):
        (refused,) = made.refused
        assert refused.code is expected
        assert name in refused.message
        expected = 0
    assert sum(shard.items for shard in made.shards) == expected + 1
    studio.score()
    assert studio.stitch().items_published == expected + 1


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_bad_pictures_work_or_say_what_is_wrong(studio, shared_data):
    files = {path.name: path.read_bytes() for path in sorted((shared_data / "bad_inputs" / "image").iterdir())}
    made = studio.make_plan(files)
    assert {refused.input: refused.code for refused in made.refused} == {
        "broken.png": Code.INPUT_UNREADABLE,
        "crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif": Code.INPUT_UNSUPPORTED,
        "crash-2020-10-test.tif": Code.INPUT_UNSUPPORTED,
        "truncated_image.png": Code.INPUT_CORRUPT,
        "truncated_jpeg.jpg": Code.INPUT_CORRUPT,
    }
    studio.score(inverted)
    names = [output.name for output in studio.stitch().outputs]
    assert names == ["hopper_bad_exif.jpg", "invalid-exif.jpg", "photoshop-200dpi-broken.jpg"]
