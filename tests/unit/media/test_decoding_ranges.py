import io
from dataclasses import replace

import av
import numpy as np
import pytest
from made_clips import CLIPS, Clip, clip, damaged, make, number_in

from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.workloads.media.colour import frame_colour, to_rgb
from dropscore.workloads.media.decode import DecodeSpec, decode_range, decode_repaired, range_times
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.media.ranges import cut


def specs_of(facts, most):
    return [
        (
            part.first,
            DecodeSpec(
                stream=facts.stream,
                key_pts=part.key_pts,
                from_pts=part.from_pts,
                to_pts=part.to_pts,
                frames=part.frames,
                exact=facts.timeline.exact,
                size=facts.size,
                colour=facts.colour,
            ),
        )
        for part in cut(facts.timeline, most)
    ]


def decoded(data, most, threads=1):
    facts = probe_video(io.BytesIO(data), "clip")
    return [
        frame
        for first, spec in specs_of(facts, most)
        for frame in decode_range(io.BytesIO(data), "clip", spec, first_item=first, threads=threads)
    ]


def straight_through(data):
    """All frames of one decoding from start to end."""
    facts = probe_video(io.BytesIO(data), "clip")
    with av.open(io.BytesIO(data)) as container:
        return [
            (frame.pts, to_rgb(frame, frame_colour(frame, facts.colour), facts.size))
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("most", [7, 12, 1000])
@pytest.mark.parametrize("name", CLIPS)
def test_ranges_give_the_frames_that_decoding_straight_through_gives(name, most, threads):
    frames = decoded(clip(name), most, threads)
    expected = straight_through(clip(name))
    assert [frame.pts for frame in frames] == [pts for pts, _ in expected]
    assert all(np.array_equal(frame.pixels, pixels) for frame, (_, pixels) in zip(frames, expected, strict=True))


@pytest.mark.parametrize(
    "name", ["plain", "open groups", "odd size", "ten bits", "full range", "vp9", "avi with b-frames"]
)
def test_frames_show_their_own_numbers(name):
    frames = decoded(clip(name), 10)
    assert [number_in(frame.pixels) for frame in frames] == list(range(48))


def test_frames_are_contiguous_rgb_bytes_and_timed():
    frame = decoded(clip("odd size"), 48)[0]
    assert frame.pixels.shape == (75, 101, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.flags.c_contiguous
    assert frame.decode_s > 0


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("whole", [True, False], ids=["whole packet", "middle of packet"])
@pytest.mark.parametrize("name", ["plain", "b-frames", "one key frame", "avi", "matroska"])
def test_a_damaged_frame_is_named_and_those_before_it_come_out(name, whole, threads):
    facts = probe_video(io.BytesIO(clip(name)), "clip")
    data, pts = damaged(clip(name), 20, whole=whole)
    number = facts.timeline.pts.tolist().index(pts)
    ((_, spec),) = specs_of(facts, 1000)
    got = []
    with pytest.raises(FailedError) as caught:
        got.extend(decode_range(io.BytesIO(data), "clip.mp4", spec, first_item=100, threads=threads))
    failure = caught.value.failure
    assert failure.code is Code.INPUT_CORRUPT
    assert failure.input == "clip.mp4"
    assert failure.item <= 100 + number <= (failure.last_item or failure.item)
    assert "'clip.mp4'" in failure.message
    assert len(got) >= failure.item - 100


def collect(generator):
    """What a generator gave, and the error that ended it."""
    got = []
    try:
        for one in generator:
            got += [one]
    except FailedError as error:
        return got, error.failure
    return got, None


def test_frames_before_the_damage_are_given_first():
    facts = probe_video(io.BytesIO(clip("b-frames")), "clip")
    data, pts = damaged(clip("b-frames"), 20, whole=True)
    number = facts.timeline.pts.tolist().index(pts)
    ((_, spec),) = specs_of(facts, 1000)
    got, failure = collect(decode_range(io.BytesIO(data), "clip", spec, first_item=0))
    assert [frame.pts for frame in got] == facts.timeline.pts[:number].tolist()
    assert (failure.item, number, failure.last_item) == (20, 22, 27)


def test_a_range_built_on_a_damaged_frame_before_it_fails_at_its_first_item():
    facts = probe_video(io.BytesIO(clip("one key frame")), "clip")
    data, _ = damaged(clip("one key frame"), 5, whole=True)
    ranges = specs_of(facts, 12)
    outcomes = [collect(decode_range(io.BytesIO(data), "clip", spec, first_item=first)) for first, spec in ranges]
    assert [(failure.item, failure.last_item) for _, failure in outcomes] == [(5, 11), (12, 23), (24, 35), (36, 47)]
    assert "items 12 to 23 of the run" in outcomes[1][1].message
    assert [len(got) for got, _ in outcomes] == [5, 0, 0, 0]


def survivors(data, facts, first, spec):
    """What comes out of a range when all that falls together is left out, and how often it had to be begun anew."""
    frames, failure = collect(decode_range(io.BytesIO(data), "clip", spec, first_item=first))
    if failure is None:
        return frames, 0
    last = failure.item if failure.last_item is None else failure.last_item
    pts = [*facts.timeline.pts[first : first + spec.frames].tolist(), spec.to_pts]
    keys = facts.timeline.key_pts
    kept, anew = [], 1
    for start, end in ((0, failure.item - first), (last + 1 - first, spec.frames)):
        if start < end:
            key = max(int(key) for key in keys if key <= pts[start])
            piece = replace(spec, key_pts=key, from_pts=pts[start], to_pts=pts[end], frames=end - start)
            more, times = survivors(data, facts, first + start, piece)
            kept, anew = kept + more, anew + times
    return kept, anew


@pytest.mark.parametrize("most", [5, 12, 1000])
@pytest.mark.parametrize(
    "name", ["plain", "b-frames", "open groups", "open groups in matroska", "hevc", "vp9", "one key frame"]
)
def test_beside_damage_only_frames_come_out_that_the_sound_video_shows(name, most):
    facts = probe_video(io.BytesIO(clip(name)), "clip")
    truth = {frame.pts: frame.pixels for frame in decoded(clip(name), 1000)}
    longest = int(np.diff([*np.searchsorted(facts.timeline.pts, facts.timeline.key_pts), 48]).max())
    for packet in range(9, 27):
        data, pts = damaged(clip(name), packet, whole=True)
        outcomes = [survivors(data, facts, first, spec) for first, spec in specs_of(facts, most)]
        frames = [frame for kept, _ in outcomes for frame in kept]
        assert pts not in [frame.pts for frame in frames]
        assert all(np.array_equal(frame.pixels, truth[frame.pts]) for frame in frames)
        assert len(frames) >= 48 - longest - 4
        if most == 1000:
            assert outcomes[0][1] <= 2


def test_a_frame_shown_later_that_is_damaged_takes_along_those_built_on_it():
    facts = probe_video(io.BytesIO(clip("b-frames")), "clip")
    data, pts = damaged(clip("b-frames"), 17)
    assert facts.timeline.pts.tolist().index(pts) == 19
    times = facts.timeline.pts.tolist()
    ((_, whole),) = specs_of(facts, 1000)
    spec = replace(whole, to_pts=times[19], frames=19)
    got, failure = collect(decode_range(io.BytesIO(data), "clip", spec, first_item=0))
    assert (failure.item, failure.last_item, len(got)) == (17, 18, 19)


@pytest.mark.parametrize("name", CLIPS)
def test_the_times_of_a_range_are_found_without_its_pictures(name):
    facts = probe_video(io.BytesIO(clip(name)), "clip")
    for first, spec in specs_of(facts, 7):
        times = range_times(io.BytesIO(clip(name)), "clip", spec)
        assert list(times.pts) == facts.timeline.pts[first : first + spec.frames].tolist()
        inside = [key for key in facts.timeline.key_pts.tolist() if spec.from_pts <= key < spec.to_pts]
        if spec.exact:
            assert set(inside) <= set(times.keys)


def test_times_that_are_not_all_there_are_no_times():
    facts = probe_video(io.BytesIO(clip("plain")), "clip")
    ((_, spec),) = specs_of(facts, 1000)
    with pytest.raises(FailedError, match="holds 48 frames where the plan saw 49"):
        range_times(io.BytesIO(clip("plain")), "clip", replace(spec, frames=49))


def test_a_damaged_group_of_pictures_leaves_the_others_alone():
    data, _ = damaged(clip("hevc"), 14, whole=True)
    facts = probe_video(io.BytesIO(data), "clip")
    outcomes = [
        collect(decode_range(io.BytesIO(data), "clip", spec, first_item=first))[1]
        for first, spec in specs_of(facts, 12)
    ]
    assert [failure is None for failure in outcomes] == [True, False, True, True]


@pytest.mark.parametrize("name", ["plain", "b-frames", "one key frame", "vp8", "avi"])
def test_repaired_ranges_hold_every_frame_at_its_time_whatever_the_damage(name):
    facts = probe_video(io.BytesIO(clip(name)), "clip")
    data = clip(name)
    for packet in (3, 20, 21, 40):
        data, _ = damaged(data, packet, whole=True)
    for _, spec in specs_of(facts, 12):
        frames = list(decode_repaired(io.BytesIO(data), "clip", spec))
        times = [frame.pts for frame in frames]
        assert len(times) == spec.frames
        assert times[0] == spec.from_pts
        assert times == sorted(set(times))
        assert times[-1] < spec.to_pts
        if spec.exact:
            assert times == [pts for pts in facts.timeline.pts.tolist() if spec.from_pts <= pts < spec.to_pts]


def test_a_missing_frame_repeats_the_one_before_it():
    facts = probe_video(io.BytesIO(clip("one key frame")), "clip")
    data, _ = damaged(clip("one key frame"), 20, whole=True)
    ((_, spec),) = specs_of(facts, 1000)
    frames = list(decode_repaired(io.BytesIO(data), "clip", spec))
    assert number_in(frames[19].pixels) == 19
    assert np.array_equal(frames[20].pixels, frames[19].pixels)


def test_what_cannot_be_decoded_at_all_is_black():
    facts = probe_video(io.BytesIO(clip("one key frame")), "clip")
    data = clip("one key frame")
    emptied = bytearray(data)
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    emptied[start:end] = bytes(end - start)
    (_, first), *_ = specs_of(facts, 12)
    frames = list(decode_repaired(io.BytesIO(bytes(emptied)), "clip", first))
    assert [int(frame.pixels.max()) for frame in frames] == [0] * 12
    assert [frame.pts for frame in frames] == facts.timeline.pts[:12].tolist()


def test_a_fault_of_storage_is_raised_as_such_and_not_as_damage():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 140_000:
                raise TransientCloudError("storage did not answer")
            return super().read(size)

    data = make(Clip(frames=40, width=256, height=192, codec="ffv1", container="matroska"))
    facts = probe_video(io.BytesIO(data), "far.mkv")
    ((_, spec),) = specs_of(facts, 1000)
    with pytest.raises(TransientCloudError):
        list(decode_range(Failing(data), "far.mkv", spec, first_item=0))


def test_an_abandoned_range_lets_go_of_its_file():
    facts = probe_video(io.BytesIO(clip("plain")), "clip")
    ((_, spec),) = specs_of(facts, 1000)
    frames = decode_range(io.BytesIO(clip("plain")), "clip", spec, first_item=0)
    next(frames)
    frames.close()
    assert list(frames) == []


def test_what_is_missing_at_the_start_shows_what_was_there_before():
    facts = probe_video(io.BytesIO(clip("plain")), "clip")
    data, pts = damaged(clip("plain"), 18, whole=True)
    ((_, whole),) = specs_of(facts, 1000)
    times = facts.timeline.pts.tolist()
    inside = replace(whole, key_pts=times[16], from_pts=pts, frames=48 - 18)
    assert number_in(next(decode_repaired(io.BytesIO(data), "clip", inside)).pixels) == 17

    data, pts = damaged(clip("plain"), 16, whole=True)
    at_key = replace(inside, from_pts=pts, frames=48 - 16)
    given = np.full((96, 128, 3), 7, np.uint8)
    assert np.array_equal(next(decode_repaired(io.BytesIO(data), "clip", at_key, before=given)).pixels, given)
