import io
from dataclasses import replace
from fractions import Fraction

import av
import pytest
from made_clips import CLIPS, Clip, clip, damaged, frame_times, make

from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.workloads.media.facts import Colour, Orientation, Size
from dropscore.workloads.media.notes import container_for, copied_tracks, notes_on
from dropscore.workloads.media.probe import probe_video


def probe(name):
    return probe_video(io.BytesIO(clip(name)), name)


class Counted(io.BytesIO):
    """A file that counts the bytes read from it."""

    def __init__(self, data):
        super().__init__(data)
        self.count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.fault(12)
@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_is_listed_at_its_own_time(name):
    facts = probe(name)
    timeline = facts.timeline
    assert [int(pts) * timeline.time_base for pts in timeline.pts] == frame_times(clip(name))
    with av.open(io.BytesIO(clip(name))) as container:
        decoded = [frame.pts for frame in container.decode(video=0)]
    assert decoded == timeline.pts.tolist()


@pytest.mark.parametrize("name", sorted(set(CLIPS) - {"vp8"}))
def test_the_list_comes_from_packets_where_packets_are_frames(name):
    assert probe(name).timeline.exact


@pytest.mark.parametrize(
    ("name", "keys"),
    [("one key frame", 1), ("open groups", 4), ("motion jpeg", 48), ("vp8", 4), ("avi with b-frames", 5)],
)
def test_key_frames_are_counted(name, keys):
    assert len(probe(name).timeline.key_pts) == keys


def test_an_edit_list_hides_frames_but_not_the_key_frame_before_them():
    timeline = probe("trimmed start").timeline
    assert timeline.pts[0] == 0
    assert timeline.frames == 42
    assert timeline.key_pts[0] == -1024


def test_only_the_index_of_an_mp4_and_its_first_frames_are_read():
    made = Clip(frames=60, width=384, height=288, codec="prores_ks", pixel_format="yuv422p10le", container="mov")
    data = make(made)
    file = Counted(data)
    facts = probe_video(file, "long.mov")
    assert facts.timeline.frames == 60
    assert len(data) > 1_000_000
    assert file.count < len(data) / 2


@pytest.mark.parametrize(
    ("name", "size", "pixel_format", "bits"),
    [
        ("plain", Size(width=128, height=96), "yuv420p", 8),
        ("odd size", Size(width=101, height=75), "yuv444p", 8),
        ("ten bits", Size(width=128, height=96), "yuv420p10le", 10),
        ("prores", Size(width=128, height=96), "yuv422p10le", 10),
    ],
)
def test_size_and_samples_are_found(name, size, pixel_format, bits):
    facts = probe(name)
    assert (facts.size, facts.pixel_format, facts.bit_depth) == (size, pixel_format, bits)


def test_colour_tags_are_found():
    assert probe("full range").colour == Colour(range=2, matrix=1, primaries=1, transfer=1)
    assert probe("limited range").colour == Colour(range=1, matrix=5, primaries=5, transfer=6)
    assert probe("plain").colour == Colour()


@pytest.mark.fault(12)
def test_rotation_and_pixel_shape_are_found():
    facts = probe("rotated")
    assert facts.orientation == Orientation(quarter_turns=1)
    assert facts.sample_aspect == Fraction(4, 3)
    assert facts.matrix[:5] == (0, -65536, 0, 65536, 0)


def test_rate_is_the_nominal_one_even_where_times_are_rounded():
    assert probe("plain").rate == 24
    assert probe("matroska").rate == 24
    assert not probe("matroska").timeline.variable


@pytest.mark.fault(12)
def test_a_variable_rate_is_noticed():
    facts = probe("variable rate")
    assert facts.timeline.variable
    assert facts.rate == Fraction(1020000, 36979)


def zeroed(name, box, offset, size=4):
    """A clip with some bytes of a box set to zero."""
    data = bytearray(clip(name))
    at = data.index(box) + len(box) + offset
    data[at : at + size] = bytes(size)
    return bytes(data)


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("name", "box", "offset", "size"),
    [
        pytest.param("avi with b-frames", b"strh", 4 + 20, 8, id="an AVI file without a rate"),
        pytest.param("avi with b-frames", b"avih", 4, 4, id="an AVI file whose frames last no time"),
        pytest.param("plain", b"mdhd", 12, 4, id="an MP4 file without a time scale"),
        pytest.param("plain", b"stts", 12, 4, id="an MP4 file whose frames last no time"),
    ],
)
def test_of_a_file_of_no_frames_a_second_each_frame_has_a_time_or_is_said_to_be_lost(name, box, offset, size):
    facts = probe_video(io.BytesIO(zeroed(name, box, offset, size)), name)
    assert facts.timeline.frames + facts.lost_frames == 48
    assert list(facts.timeline.pts) == sorted(set(facts.timeline.pts))
    assert facts.timeline.time_base > 0


def test_sound_is_found_with_its_start():
    (track,) = probe("sound later").tracks
    assert (track.kind, track.codec) == ("audio", "aac")
    assert track.start_s == pytest.approx(0.479, abs=0.001)
    assert probe("plain").tracks == ()


@pytest.mark.fault(12)
def test_interlacing_is_noticed():
    assert probe("interlaced").interlaced
    assert not probe("plain").interlaced


@pytest.mark.fault(13)
@pytest.mark.parametrize("whole", [12, 25, 47])
def test_a_file_that_ends_early_keeps_its_whole_frames_and_says_what_is_lost(whole):
    data = make(replace(CLIPS["b-frames"], container_options={"moov_size": "20000"}))
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as container:
        torn = [packet for packet in container.demux(video=0) if packet.size][whole]
        end = torn.pos + torn.size // 2
    facts = probe_video(io.BytesIO(data[:end]), "cut.mp4")
    assert facts.timeline.frames == whole
    assert facts.lost_frames == 48 - whole
    assert f"The end is missing: {whole} frames are whole, {48 - whole} are cut off." in notes_on(facts)


def test_a_damaged_first_frame_makes_a_file_unreadable():
    data, _ = damaged(clip("one key frame"), 0, whole=True)
    with pytest.raises(FailedError) as caught:
        probe_video(io.BytesIO(data), "bad.mp4")
    assert caught.value.failure.code is Code.INPUT_UNREADABLE


def test_frames_before_the_first_key_frame_are_left_out():
    """A recording that starts between two key frames: the first packets of a transport stream are cut off."""
    whole = clip("transport stream")
    with av.open(io.BytesIO(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        following_key = next(n for n, packet in enumerate(packets) if n > 6 and packet.is_keyframe)
        start = packets[6].pos // 188 * 188
    facts = probe_video(io.BytesIO(whole[: 188 * 3] + whole[start:]), "late.ts")
    assert facts.timeline.frames == 48 - following_key
    assert facts.undecodable_head == following_key - 6
    assert any("are left out: the key frame" in note for note in notes_on(facts))


def test_a_fault_of_storage_while_listing_is_not_taken_for_the_end_of_the_file():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 140_000:
                raise TransientCloudError("storage did not answer")
            return super().read(size)

    data = make(Clip(frames=40, width=256, height=192, codec="ffv1", container="matroska"))
    assert len(data) > 300_000
    with pytest.raises(TransientCloudError):
        probe_video(Failing(data), "far.mkv")


def test_notes_tell_what_is_unusual():
    assert notes_on(probe("with sound")) == ()
    assert notes_on(probe("plain")) == ("There is no sound.",)
    assert "4:4:4" in notes_on(probe("odd size"))[0]
    assert "10-bit samples become 8-bit ones." in notes_on(probe("ten bits"))
    assert "The frame rate varies; every frame keeps its own time." in notes_on(probe("variable rate"))
    assert any("turn the video by 90 degrees" in note for note in notes_on(probe("rotated")))
    assert any("interlaced" in note for note in notes_on(probe("interlaced")))


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("with sound", ("mp4", "mp4")),
        ("plain", ("mp4", "mp4")),
        ("pcm sound", ("mov", "mov")),
        ("matroska", ("matroska", "mkv")),
    ],
)
def test_the_output_goes_into_a_container_that_holds_the_sound(name, container):
    tracks = probe(name).tracks
    assert container_for(tracks) == container
    assert copied_tracks(tracks, container[0]) == tuple(track.index for track in tracks)


@pytest.mark.parametrize("packet", [0, 3, 8])
@pytest.mark.parametrize("name", ["plain", "b-frames", "open groups"])
def test_damage_among_the_first_frames_takes_no_frame_off_the_list(name, packet):
    data, _ = damaged(clip(name), packet, whole=True)
    timeline = probe_video(io.BytesIO(data), "clip.mp4").timeline
    assert timeline.exact
    assert timeline.pts.tolist() == probe_video(io.BytesIO(clip(name)), "clip.mp4").timeline.pts.tolist()
