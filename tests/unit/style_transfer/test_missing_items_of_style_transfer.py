"""Frames and pictures without a result: what stands in for them, and that all else is as it would be."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from made_clips import CLIPS, Clip, clip, damaged, frame_numbers, frame_times, make, number_in, sound_packets
from PIL import Image

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.plan import Piece
from dropscore.contracts.verdict import Outcome
from dropscore.workloads.style_transfer.frames import open_source
from dropscore.workloads.style_transfer.narrow import narrow

BROKEN = failure(Code.OUT_OF_MEMORY, "the device has too little memory")
FILM = Clip(b_frames=2, audio="aac")
EVERY_EIGHTH = Clip(codec_options={"x264-params": "keyint=8:min-keyint=8:scenecut=0"})
"""Every eighth frame is a key frame."""


def inverted(pixels):
    return 255 - pixels


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def film(packet=22):
    """A clip with sound and one damaged frame."""
    return damaged(make(FILM), packet, whole=True)[0]


def shown(data):
    """(H, W, 3) of each frame of a video, decoded."""
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def missing_items(studio):
    """Items without a result."""
    failed = [one for one in studio.parts.verdicts.values() if one.outcome is Outcome.FAILED]
    return [item for one in failed for item in range(one.first_item, one.first_item + one.items)]


def test_a_failed_shard_ends_the_run_with_its_own_failure(studio):
    studio.make_plan({"a.mp4": clip("plain")}, items=12, on_missing="fail")
    studio.score(failed={2: BROKEN})
    with pytest.raises(FailedError) as caught:
        studio.stitch()
    told = caught.value.failure
    assert told.code is Code.OUT_OF_MEMORY
    assert told.shard_id == 2
    assert "passthrough" in told.action


def test_with_passthrough_originals_stand_in_for_a_failed_shard(studio):
    studio.make_plan({"a.mp4": clip("with sound")}, items=12, on_missing="passthrough")
    studio.score(inverted, failed={1: BROKEN})
    stitched = studio.stitch()
    failed = studio.plan.shards[1]
    assert (stitched.items_published, stitched.items_missing) == (48 - failed.items, failed.items)
    assert f"{failed.items} of 48 items could not be scored and show the original." in stitched.notes
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(clip("with sound"))
    assert sound_packets(result) == sound_packets(clip("with sound"))
    with av.open(io.BytesIO(result)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    original = range(failed.first_item, failed.first_item + failed.items)
    shown = [number_in(image if n in original else 255 - image) for n, image in enumerate(images)]
    assert shown == list(range(48))


def test_with_passthrough_a_damaged_video_keeps_its_length_and_its_sound(studio):
    data, _ = damaged(clip("with sound"), 20, whole=True)
    stitched = studio.run({"a.mp4": data}, inverted, items=12, on_missing="passthrough")
    assert 0 < stitched.items_missing < 12
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(data)
    assert sound_packets(result) == sound_packets(data)


def test_with_passthrough_the_original_stands_in_for_a_picture(studio):
    files = {f"{n}.png": png(np.full((8, 8, 3), n, np.uint8)) for n in range(4)}
    studio.make_plan(files, items=2, on_missing="passthrough")
    studio.score(inverted, failed={1: BROKEN})
    stitched = studio.stitch()
    assert stitched.items_missing == 2
    assert [output.name for output in stitched.outputs] == list(files)
    assert studio.output("3.png") == files["3.png"]
    assert np.asarray(Image.open(io.BytesIO(studio.output("1.png"))))[0, 0, 0] == 254


# --- one damaged frame in the middle


@pytest.mark.fault(14)
@pytest.mark.parametrize("items", [5, 12, 1000])
def test_by_default_the_last_good_frame_stands_in_for_damaged_ones(studio, items):
    stitched = studio.run({"a.mp4": film()}, inverted, items=items)
    lost = missing_items(studio)
    assert lost == list(range(lost[0], 28))
    assert (stitched.items_published, stitched.items_missing) == (48 - len(lost), len(lost))
    assert f"{len(lost)} of 48 items could not be scored and show the last good frame again." in stitched.notes
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(film())
    assert sound_packets(result) == sound_packets(film())
    expected = [number if number not in lost else lost[0] - 1 for number in range(48)]
    assert [number_in(255 - image) for image in shown(result)] == expected
    facts = stitched.outputs[0].facts
    assert (facts["frames"], facts["frames_scored"], facts["coverage"]) == (48, 48 - len(lost), (48 - len(lost)) / 48)


@pytest.mark.fault(14)
def test_with_gaps_damaged_frames_are_left_out_and_the_one_before_stays(studio):
    stitched = studio.run({"a.mp4": film()}, inverted, items=12, on_missing="gaps")
    lost = missing_items(studio)
    for output in stitched.outputs:
        result = studio.output(output.name)
        assert frame_times(result) == [time for item, time in enumerate(frame_times(film())) if item not in lost]
        assert sound_packets(result) == sound_packets(film())
    assert [number_in(255 - image) for image in shown(studio.output(stitched.outputs[0].name))] == [
        item for item in range(48) if item not in lost
    ]
    assert f"{len(lost)} of 48 items could not be scored and are left out." in stitched.notes
    assert stitched.outputs[0].facts["frames"] == 48 - len(lost)


@pytest.mark.fault(14)
def test_with_passthrough_damaged_frames_show_what_the_decoder_makes_of_them(studio):
    stitched = studio.run({"a.mp4": film()}, inverted, items=1000, on_missing="passthrough")
    lost = missing_items(studio)
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(film())
    assert sound_packets(result) == sound_packets(film())
    images = shown(result)
    assert [number_in(255 - image) for item, image in enumerate(images) if item not in lost] == [
        item for item in range(48) if item not in lost
    ]
    assert number_in(images[lost[0]]) == lost[0] - 1


def test_with_fail_one_damaged_frame_ends_the_run_and_is_named(studio):
    with pytest.raises(FailedError) as caught:
        studio.run({"a.mp4": film()}, items=12, on_missing="fail")
    told = caught.value.failure
    assert (told.code, told.item, told.last_item) == (Code.INPUT_CORRUPT, 21, 27)
    assert told.action.startswith("Set on_missing to repeat")


@pytest.mark.parametrize("on_missing", ["repeat", "gaps", "passthrough"])
@pytest.mark.parametrize("name", ["plain", "open groups", "variable rate", "one key frame", "hevc", "matroska"])
def test_whatever_the_video_its_neighbours_of_damage_stand_in_their_place(studio, name, on_missing):
    data, _ = damaged(clip(name), 20, whole=True)
    stitched = studio.run({"a.mp4": data}, inverted, items=9, on_missing=on_missing)
    lost = missing_items(studio)
    assert 0 < len(lost) < 34
    result = studio.output(stitched.outputs[0].name)
    left_out = lost if on_missing == "gaps" else []
    frames = len(frame_times(clip(name)))
    numbers = [number_in(255 - image) for image in shown(result)]
    good = [item for item in range(frames) if item not in lost]
    places = good if left_out else range(frames)
    assert [number for place, number in zip(places, numbers, strict=True) if place not in lost] == good
    if not result.startswith(b"\x1a\x45"):  # Matroska counts in milliseconds
        assert frame_times(result) == [time for item, time in enumerate(frame_times(data)) if item not in left_out]


def test_the_same_bytes_come_out_of_a_damaged_video_however_its_shards_were_cut(studio):
    outcomes = []
    for items in (24, 1000):
        stitched = studio.run({"a.mp4": film()}, inverted, items=items)
        outcomes.append([(output.name, output.sha256) for output in stitched.outputs])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("packet", [0, 1, 5])
def test_damage_at_the_beginning_costs_the_beginning_only(studio, packet):
    stitched = studio.run({"a.mp4": film(packet)}, inverted)
    lost = missing_items(studio)
    assert lost[0] <= packet
    assert len(lost) <= 12
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(film())
    assert [number_in(255 - image) for image in shown(result)][lost[-1] + 1 :] == list(range(lost[-1] + 1, 48))
    before = "the last good frame again" if lost[0] else "the original"
    assert any(f"show {before}" in note for note in stitched.notes)


def test_a_video_of_which_nothing_is_left_has_no_output(studio):
    picture = png(np.full((8, 8, 3), 9, np.uint8))
    studio.make_plan({"a.mp4": clip("plain"), "b.png": picture}, items=1000, on_missing="gaps")
    studio.score(inverted, failed={0: BROKEN})
    stitched = studio.stitch()
    assert [output.name for output in stitched.outputs] == ["b.png"]
    assert "No frame of a.mp4 could be scored, so there is no output of it." in stitched.notes
    assert (stitched.items_published, stitched.items_missing) == (1, 48)


def test_a_gap_at_the_end_is_filled_by_the_frame_before(studio):
    studio.make_plan({"a.mp4": clip("with sound")}, items=12, on_missing="gaps")
    last = studio.plan.shards[-1]
    studio.score(inverted, failed={last.shard_id: BROKEN})
    stitched = studio.stitch()
    result = studio.output(stitched.outputs[0].name)
    assert frame_times(result) == frame_times(clip("with sound"))[: last.first_item]
    with av.open(io.BytesIO(result)) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == Fraction(48, 24)


# --- one corrupt picture


def pictures():
    """Five pictures, the third corrupt beyond its beginning."""
    files = {f"{n}.png": png(np.random.default_rng(n).integers(0, 256, (64, 64, 3), dtype=np.uint8)) for n in range(5)}
    files["2.png"] = files["2.png"][:600] + bytes(400) + files["2.png"][1000:]
    return files


@pytest.fixture
def planned(studio, monkeypatch):
    """The pictures planned while they were all sound, so that the corrupt one is met by the worker."""
    files = pictures()
    sound = {**files, "2.png": png(np.zeros((64, 64, 3), np.uint8))}

    def plan(**options):
        studio.make_plan(sound, items=5, **options)
        studio.inputs._files.update(files)
        studio.score(inverted)
        return studio.stitch()

    return plan


@pytest.mark.parametrize("on_missing", ["repeat", "gaps"])
def test_a_corrupt_picture_is_left_out_and_the_others_come_out(studio, planned, on_missing):
    stitched = planned(on_missing=on_missing)
    assert [output.name for output in stitched.outputs] == ["0.png", "1.png", "3.png", "4.png"]
    assert (stitched.items_published, stitched.items_missing, missing_items(studio)) == (4, 1, [2])
    assert "1 of 5 items could not be scored and are left out." in stitched.notes
    for name in ("1.png", "3.png"):
        result = np.asarray(Image.open(io.BytesIO(studio.output(name))))
        assert np.array_equal(result, 255 - np.asarray(Image.open(io.BytesIO(pictures()[name]))))


def test_with_passthrough_a_corrupt_picture_comes_along_as_it_is(studio, planned):
    stitched = planned(on_missing="passthrough")
    assert [output.name for output in stitched.outputs] == list(pictures())
    assert studio.output("2.png") == pictures()["2.png"]
    assert [output.facts["coverage"] for output in stitched.outputs] == [1.0, 1.0, 0.0, 1.0, 1.0]
    assert stitched.outputs[2].title == "2.png, the original"


# --- pieces


@pytest.mark.parametrize("name", CLIPS)
def test_a_piece_of_a_video_holds_just_its_frames(studio, name):
    studio.make_plan({f"{name}.mp4": clip(name)}, items=20)
    for shard in studio.plan.shards:
        whole = list(open_source(shard, studio.options, studio.inputs))
        for first, end in ((0, 1), (0, shard.items), (shard.items // 3, shard.items // 2 + 1), (shard.items - 1, None)):
            expected = whole[first:end]
            piece = Piece(first_item=expected[0].index, items=len(expected))
            spec = narrow(shard, piece, studio.options, studio.inputs)
            assert (spec.shard_id, spec.first_item, spec.items) == (shard.shard_id, piece.first_item, piece.items)
            found = list(open_source(spec, studio.options, studio.inputs))
            assert [(one.index, one.context.pts) for one in found] == [(one.index, one.context.pts) for one in expected]
            assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(found, expected, strict=True))
            assert [one.index for one in found[1:] if one.fresh] == [one.index for one in expected[1:] if one.fresh]


def test_a_piece_begins_decoding_at_the_nearest_key_frame(studio):
    studio.make_plan({"a.mp4": make(EVERY_EIGHTH)}, items=1000)
    (shard,) = studio.plan.shards
    keys = [
        narrow(shard, Piece(first_item=first, items=3), studio.options, studio.inputs).work["key"]
        for first in (0, 7, 8, 30)
    ]
    assert [key / keys[2] for key in keys] == [0, 0, 1, 3]


def test_a_piece_of_pictures_holds_just_those(studio):
    files = {f"{n}.png": png(np.full((8, 8, 3), n, np.uint8)) for n in range(4)}
    films = {"x.mp4": clip("one frame")}
    more = {f"{n}.png": png(np.full((8, 8, 3), n, np.uint8)) for n in range(4, 8)}
    studio.make_plan({**files, **films, **more}, items=1000)
    shard = studio.plan.shards[-1]
    spec = narrow(shard, Piece(first_item=shard.first_item + 1, items=2), studio.options, studio.inputs)
    assert (spec.input_index, spec.work["runs"]) == (6, [[6, 2]])
    found = [int(item.pixels[0, 0, 0]) for item in open_source(spec, studio.options, studio.inputs)]
    assert found == [5, 6]


def test_a_video_without_the_frames_of_the_plan_has_no_pieces(studio):
    studio.make_plan({"a.mp4": clip("plain")}, items=1000)
    (shard,) = studio.plan.shards
    studio.inputs._files["a.mp4"] = make(Clip(frames=40))
    with pytest.raises(FailedError, match="holds 40 frames where the plan saw 48"):
        narrow(shard, Piece(first_item=3, items=2), studio.options, studio.inputs)


def test_frame_numbers_survive_repetition(studio):
    """The clip's own way of showing numbers is good enough for what these tests ask of it."""
    assert frame_numbers(make(FILM)) == list(range(48))
