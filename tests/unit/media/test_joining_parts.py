import io
from dataclasses import replace
from fractions import Fraction
from functools import cache

import av
import pytest
from made_clips import CLIPS, clip, frame_numbers, frame_times, make, sound_packets, subtitle_packets, with_subtitles

from dropscore.contracts.errors import TransientCloudError
from dropscore.workloads.media.decode import DecodeSpec, decode_range
from dropscore.workloads.media.encode import EncodeSpec
from dropscore.workloads.media.join import JoinError, Placed, Source, Target, join
from dropscore.workloads.media.notes import container_for, copied_tracks, notes_on
from dropscore.workloads.media.part import PartSpec, VideoPart
from dropscore.workloads.media.parts import read_part
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.media.ranges import cut


class Scored:
    """A clip with the identity as its network: the parts of its shards."""

    def __init__(self, data, most=13, **encode):
        self.data = data
        self.facts = facts = probe_video(io.BytesIO(data), "clip")
        self.placed = [self._place(part, encode) for part in cut(facts.timeline, most, longest=most)]
        self.container, self.suffix = container_for(facts.tracks)
        self.source = Source(
            file=io.BytesIO(data),
            name="clip",
            stream=facts.stream,
            copied=copied_tracks(facts.tracks, self.container),
        )

    def _place(self, part, encode):
        facts, timeline = self.facts, self.facts.timeline
        decode = DecodeSpec(
            stream=facts.stream,
            key_pts=part.key_pts,
            from_pts=part.from_pts,
            to_pts=part.to_pts,
            frames=part.frames,
            exact=timeline.exact,
            size=facts.size,
            colour=facts.colour,
        )
        settings = EncodeSpec(
            size=facts.size,
            time_base=timeline.time_base,
            rate=facts.rate,
            colour=facts.colour,
            sample_aspect=facts.sample_aspect,
            **{"crf": 15, "preset": "veryfast", **encode},
        )
        video = VideoPart(
            PartSpec(
                encode=settings,
                orientation=facts.orientation,
                frames=part.frames,
                from_pts=part.from_pts,
                to_pts=part.to_pts,
                compare=True,
            )
        )
        for frame in decode_range(io.BytesIO(self.data), "clip", decode, first_item=0):
            video.add(frame.pts, frame.pixels, frame.pixels)
        made = read_part(video.finish().data)
        return Placed(part=made, frames=part.frames, from_pts=part.from_pts, to_pts=part.to_pts)

    def join(self, folder, placed=None):
        targets = (
            Target(path=folder / "result", track=0, format=self.container, matrix=self.facts.matrix),
            Target(path=folder / "comparison", track=1, format=self.container, matrix=None),
        )
        joined = join(targets, self.facts.timeline.time_base, placed or self.placed, self.source)
        return joined, (folder / "result").read_bytes(), (folder / "comparison").read_bytes()


@cache
def scored_clip(name):
    """One of the made clips, scored once for all tests."""
    return Scored(clip(name))


@pytest.fixture(params=sorted(set(CLIPS)))
def name(request):
    return request.param


@pytest.mark.fault(12)
def test_the_joined_video_has_every_frame_at_the_sources_own_time(name, tmp_path):
    scored = scored_clip(name)
    joined, result, comparison = scored.join(tmp_path)
    times = frame_times(clip(name))
    assert list(joined.pts) == scored.facts.timeline.pts.tolist()
    if scored.suffix == "mkv":  # milliseconds
        assert frame_times(result) == pytest.approx(times, abs=0.0006)
        return
    assert frame_times(result) == times
    assert frame_times(comparison) == times


@pytest.mark.fault(49)
def test_sound_comes_along_bit_for_bit_at_its_own_times(name, tmp_path):
    _, result, comparison = scored_clip(name).join(tmp_path)
    original = sound_packets(clip(name))
    for copy in (sound_packets(result), sound_packets(comparison)):
        assert [[time for time, _ in track] for track in copy] == [[time for time, _ in track] for track in original]
        for mine, theirs in zip(copy, original, strict=True):
            headers = 7 if name == "transport stream" else 0  # the frame headers that only transport streams carry
            assert [data for _, data in mine] == [data[headers:] for _, data in theirs]


@pytest.mark.fault(12)
def test_size_colour_turn_and_pixel_shape_stay(name, tmp_path):
    scored = scored_clip(name)
    _, result, _ = scored.join(tmp_path)
    before, after = scored.facts, probe_video(io.BytesIO(result), "result")
    assert after.size == before.size
    assert after.orientation == before.orientation
    assert after.sample_aspect == before.sample_aspect
    assert (after.colour.matrix, after.colour.primaries) == (before.colour.matrix, before.colour.primaries)
    assert (after.colour.range == 2) == (before.colour.range == 2)
    if scored.suffix != "mkv":
        assert after.timeline.end * after.timeline.time_base == before.timeline.end * before.timeline.time_base


@pytest.mark.parametrize("name", ["plain", "b-frames", "open groups", "odd size", "vp9"])
def test_frames_are_in_their_places(name, tmp_path):
    _, result, _ = scored_clip(name).join(tmp_path)
    assert frame_numbers(result) == list(range(48))


def test_packets_of_parts_are_copied_and_not_encoded_again(tmp_path):
    scored = scored_clip("plain")
    _, result, _ = scored.join(tmp_path)
    with av.open(io.BytesIO(result)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    parts = [bytes(part.part.packet(0, n)) for part in scored.placed for n in range(part.frames)]
    assert packets == parts


def test_the_index_stands_before_the_pictures(tmp_path):
    for name in ("with sound", "pcm sound"):
        _, result, _ = scored_clip(name).join(tmp_path)
        assert result.index(b"moov") < result.index(b"mdat")


def test_joining_twice_gives_the_same_bytes(tmp_path):
    scored = scored_clip("with sound")
    assert scored.join(tmp_path)[1:] == scored.join(tmp_path)[1:]


@pytest.mark.fault(49)
def test_sound_and_picture_stay_together_when_one_starts_later(tmp_path):
    for name in ("sound later", "picture later"):
        _, result, _ = scored_clip(name).join(tmp_path)
        first_sound, first_frame = sound_packets(result)[0][0][0], frame_times(result)[0]
        expected = sound_packets(clip(name))[0][0][0] - frame_times(clip(name))[0]
        assert abs((first_sound - first_frame) - expected) <= Fraction(20, 1000)


def test_the_sound_decodes_to_the_same_samples(tmp_path):
    def samples(data):
        with av.open(io.BytesIO(data)) as container:
            return b"".join(frame.to_ndarray().tobytes() for frame in container.decode(audio=0))

    _, result, _ = scored_clip("with sound").join(tmp_path)
    assert samples(result) == samples(clip("with sound"))


def test_title_chapters_and_turn_come_along(tmp_path):
    _, result, _ = scored_clip("titled").join(tmp_path)
    with av.open(io.BytesIO(result)) as container:
        assert container.metadata["title"] == "A title"
        assert container.metadata["comment"] == "kept"
        chapters = container.chapters()
        assert [chapter["metadata"]["title"] for chapter in chapters] == ["first", "second"]
        assert [float(chapter["start"] * chapter["time_base"]) for chapter in chapters] == [0.0, 1.0]
        assert next(container.decode(video=0)).rotation in (-90, 270)


def test_sound_that_mp4_does_not_hold_goes_into_another_container(tmp_path):
    assert scored_clip("pcm sound").suffix == "mov"
    scored = scored_clip("matroska")
    assert scored.suffix == "mkv"
    _, result, _ = scored.join(tmp_path)
    assert result.startswith(b"\x1a\x45\xdf\xa3")
    assert sound_packets(result) == sound_packets(clip("matroska"))


@pytest.mark.parametrize(
    ("name", "container", "codec", "texts"),
    [
        ("with sound", "mp4", "mov_text", [b"\x00\x02hi", b"\x00\x03bye"]),
        ("opus sound", "matroska", "subrip", [b"hi", b"bye"]),
    ],
)
def test_subtitles_come_along_where_the_container_holds_them(name, container, codec, texts, tmp_path):
    data = with_subtitles(clip(name), container, codec, texts)
    _, result, _ = Scored(data).join(tmp_path)
    assert set(texts) <= {text for _, text in subtitle_packets(result)}
    assert subtitle_packets(result) == subtitle_packets(data)


def test_subtitles_that_mp4_does_not_hold_are_left_out_and_that_is_said(tmp_path):
    scored = Scored(with_subtitles(clip("with sound"), "matroska", "subrip", [b"hi"]))
    _, result, _ = scored.join(tmp_path)
    assert subtitle_packets(result) == []
    assert "Left out, since .mp4 does not hold them: subtitle srt." in notes_on(scored.facts)


@pytest.mark.fault(49)
def test_damaged_sound_ends_early_and_is_said_to(tmp_path):
    """The sound of a file that is cut off: the index names packets that are not there."""
    data = make(replace(CLIPS["with sound"], container_options={"moov_size": "20000"}))
    with av.open(io.BytesIO(data)) as container:
        last_frame = max(packet.pos + packet.size for packet in container.demux(video=0) if packet.size)
    scored = Scored(data[: last_frame + 10])
    joined, result, _ = scored.join(tmp_path)
    whole = sound_packets(data)[0]
    (kept,) = sound_packets(result)
    assert 0 < len(kept) <= len(whole)
    assert kept == whole[: len(kept)]
    assert joined.copied_packets == len(kept)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda parts: parts[:1] + parts[:1] + parts[1:], "out of order"),
        (lambda parts: [parts[1], parts[0]], "out of order"),
        (lambda parts: [replace(parts[0], frames=5), *parts[1:]], "a part holds 4 frames where 5 belong"),
        (lambda parts: [replace(parts[0], to_pts=parts[0].from_pts + 512), *parts[1:]], "out of order"),
        (lambda parts: [], "there is no part"),
    ],
    ids=["doubled", "swapped", "too many frames", "too short", "none"],
)
def test_parts_that_do_not_fit_are_refused(spoil, said, tmp_path):
    scored = scored_clip("plain")
    assert len(scored.placed) == 5
    targets = (Target(path=tmp_path / "result", track=0, format="mp4", matrix=None),)
    with pytest.raises(JoinError, match=said):
        join(targets, scored.facts.timeline.time_base, spoil(scored.placed[:2] + scored.placed[2:]), scored.source)


def test_parts_of_different_encoders_are_refused(tmp_path):
    one, other = scored_clip("plain"), Scored(clip("plain"), preset="medium")
    with pytest.raises(JoinError, match="other settings"):
        one.join(tmp_path, [one.placed[0], *other.placed[1:]])


def test_a_fault_of_storage_is_not_taken_for_the_end_of_the_sound(tmp_path):
    class Failing(io.BytesIO):
        armed = False

        def read(self, size=-1):
            if self.armed and self.tell() > 100_000:
                raise TransientCloudError("storage did not answer")
            return super().read(size)

    scored = Scored(make(replace(CLIPS["pcm sound"], container="matroska")))
    file = Failing(scored.data)
    assert len(scored.data) > 300_000
    file.armed = True
    with pytest.raises(TransientCloudError):
        join(
            (Target(path=tmp_path / "result", track=0, format="mov", matrix=None),),
            scored.facts.timeline.time_base,
            scored.placed,
            replace(scored.source, file=file),
        )
