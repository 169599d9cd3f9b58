import io
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from made_clips import number_in, picture
from PIL import Image

from dropscore.workloads.media.encode import EncodeSpec
from dropscore.workloads.media.facts import Colour, Orientation, Size
from dropscore.workloads.media.part import PartSpec, VideoPart, picture_frames
from dropscore.workloads.media.parts import read_part

UPRIGHT = Orientation()


def spec_of(
    *,
    width=128,
    height=96,
    times=range(0, 512 * 24, 512),
    time_base=Fraction(1, 12288),
    compare=True,
    orientation=UPRIGHT,
    **encode,
):
    times = list(times)
    settings = {"rate": Fraction(24), "colour": Colour(), "crf": 19, "preset": "veryfast", **encode}
    return PartSpec(
        encode=EncodeSpec(size=Size(width=width, height=height), time_base=time_base, **settings),
        orientation=orientation,
        frames=len(times),
        from_pts=times[0],
        to_pts=times[-1] + 512,
        compare=compare,
    ), times


def filled(spec, times):
    part = VideoPart(spec)
    size = spec.encode.size
    for number, pts in enumerate(times):
        before = picture(number, size.width, size.height)
        part.add(pts, before, 255 - before)
    return part.finish()


def images_of(data, stream):
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[stream])]


def test_the_same_frames_and_settings_give_the_same_bytes():
    spec, times = spec_of()
    assert filled(spec, times).data == filled(spec, times).data


def test_threads_of_the_encoder_are_part_of_the_settings():
    one, times = spec_of(width=256, height=256)
    two = replace(one, encode=replace(one.encode, threads=2))
    assert filled(two, times).data == filled(two, times).data
    assert filled(one, times).data != filled(two, times).data
    assert b"threads=1 " in filled(one, times).data
    assert b"threads=2 " in filled(two, times).data


def test_a_part_plays_and_shows_every_result_once():
    spec, times = spec_of()
    part = filled(spec, times)
    assert (part.suffix, part.media_type) == ("mp4", "video/mp4")
    assert [number_in(255 - image) for image in images_of(part.data, 0)] == list(range(24))


@pytest.mark.parametrize(
    ("times", "time_base"),
    [
        (range(1000, 1000 + 512 * 24, 512), Fraction(1, 12288)),
        ([7, 3010, 9000, 9500, 20000, 20001, 31234], Fraction(1, 90000)),
        (range(30), Fraction(1001, 30000)),
        ([5], Fraction(1, 25)),
    ],
)
def test_times_survive_exactly(times, time_base):
    spec, times = spec_of(times=times, time_base=time_base)
    part = read_part(filled(spec, times).data)
    for track in part.tracks[:2]:
        assert track.timescale == time_base.denominator
        assert (track.pts // time_base.numerator + times[0]).tolist() == times


def test_packets_found_without_a_demuxer_are_those_a_demuxer_finds():
    spec, times = spec_of()
    data = filled(spec, times).data
    part = read_part(data)
    for index, track in enumerate(part.tracks):
        with av.open(io.BytesIO(data)) as container:
            packets = [packet for packet in container.demux(container.streams[index]) if packet.size]
            found = [bytes(part.packet(index, number)) for number in range(len(track.pts))]
            assert found == [bytes(packet) for packet in packets]
            assert sorted(track.keys) == [number for number, packet in enumerate(packets) if packet.is_keyframe]


def test_segments_are_closed_and_without_reordering():
    spec, times = spec_of(times=range(0, 512 * 200, 512))
    data = filled(spec, times).data
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert packets[0].is_keyframe
    assert [packet.dts for packet in packets] == [packet.pts for packet in packets]
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert max(after - now for now, after in zip(keys, [*keys[1:], 200], strict=True)) <= 5 * 24


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("width", "height", "pixel_format"),
    [(128, 96, "yuv420p"), (101, 75, "yuv444p"), (2, 2, "yuv420p"), (17, 16, "yuv444p")],
)
def test_every_size_is_kept(width, height, pixel_format):
    spec, times = spec_of(width=width, height=height, times=range(0, 512 * 3, 512))
    with av.open(io.BytesIO(filled(spec, times).data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt) == (width, height, pixel_format)


def test_colour_and_pixel_shape_are_written():
    spec, times = spec_of(colour=Colour(range=1, matrix=1, primaries=9, transfer=16), sample_aspect=Fraction(4, 3))
    with av.open(io.BytesIO(filled(spec, times).data)) as container:
        stream = container.streams.video[0]
        tags = (stream.color_range, stream.colorspace, stream.color_primaries, stream.color_trc)
        assert tags == (1, 1, 9, 16)
        assert stream.sample_aspect_ratio == Fraction(4, 3)


def test_lower_crf_means_closer_to_the_result():
    def error(crf):
        spec, times = spec_of(crf=crf)
        images = images_of(filled(spec, times).data, 0)
        wanted = [255 - picture(number, 128, 96) for number in range(24)]
        return float(np.mean([(a.astype(int) - b) ** 2 for a, b in zip(images, wanted, strict=True)]))

    assert error(10) < error(35)


def test_the_comparison_shows_the_original_left_and_the_result_right():
    spec, times = spec_of()
    image = images_of(filled(spec, times).data, 1)[5]
    assert image.shape == (96, 256, 3)
    assert number_in(image[:, :128]) == 5
    assert number_in(255 - image[:, 128:]) == 5


@pytest.mark.parametrize(
    ("width", "height", "aspect", "turns", "shape"),
    [
        (1280, 720, Fraction(1), 0, (360, 1280)),
        (1920, 1080, Fraction(1), 1, (640, 720)),
        (720, 576, Fraction(16, 15), 0, (480, 1280)),
        (101, 75, Fraction(1), 0, (74, 200)),
        (176, 144, Fraction(128, 117), 2, (144, 384)),
    ],
)
def test_the_comparison_is_small_upright_and_of_square_pixels(width, height, aspect, turns, shape):
    spec, times = spec_of(
        width=width,
        height=height,
        times=range(0, 1024, 512),
        sample_aspect=aspect,
        orientation=Orientation(quarter_turns=turns),
    )
    assert images_of(filled(spec, times).data, 1)[0].shape[:2] == shape


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_comparison_of_a_turned_video_reads_left_to_right(turns):
    spec, times = spec_of(
        width=128, height=128, times=range(0, 1024, 512), orientation=Orientation(quarter_turns=turns)
    )
    part = VideoPart(spec)
    stored = np.rot90(picture(9, 128, 128), -turns)
    for pts in times:
        part.add(pts, stored, stored)
    image = images_of(part.finish().data, 1)[0]
    assert number_in(image[:, :128]) == number_in(image[:, 128:]) == 9


def test_without_comparison_there_are_frames_and_report_pictures_only():
    spec, times = spec_of(compare=False)
    assert [track.codec for track in read_part(filled(spec, times).data).tracks] == ["avc1", "mp4v"]


@pytest.mark.parametrize(
    ("frames", "pictured"), [(1, (0,)), (2, (1,)), (30, (15,)), (48, (12, 36)), (1000, (125, 375, 625, 875))]
)
def test_report_pictures_are_spread_over_the_part(frames, pictured):
    assert picture_frames(frames) == pictured


def test_report_pictures_show_original_and_result_of_their_frame():
    spec, times = spec_of(times=range(0, 512 * 48, 512))
    part = read_part(filled(spec, times).data)
    shown = [np.asarray(Image.open(io.BytesIO(part.packet(2, number))).convert("RGB")) for number in range(4)]
    assert [number_in(shown[0]), number_in(255 - shown[1]), number_in(shown[2]), number_in(255 - shown[3])] == [
        12,
        12,
        36,
        36,
    ]


def test_flicker_is_measured_on_the_way():
    spec, times = spec_of()
    metrics = filled(spec, times).metrics
    assert metrics["frames"] == 24
    assert metrics["flicker"]["pairs"] == 23


class Refusals:
    spec, times = spec_of(times=[0, 512, 1024])

    def part(self):
        return VideoPart(self.spec)


@pytest.mark.fault(48)
@pytest.mark.parametrize(
    "times",
    [[512], [0, 0], [0, 1024, 512], [0, 512, 5000], [-1]],
    ids=["first missing", "doubled", "backwards", "behind the end", "before the start"],
)
def test_frames_out_of_order_are_refused(times):
    part, image = Refusals().part(), picture(0, 128, 96)
    with pytest.raises(ValueError, match="is out of order"):
        for pts in times:
            part.add(pts, image, image)


def test_a_result_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"a result of shape \(48, 64, 3\) for frames of 128 x 96"):
        Refusals().part().add(0, picture(0, 128, 96), picture(0, 64, 48))


@pytest.mark.fault(48)
def test_a_part_with_frames_missing_is_not_finished():
    part = Refusals().part()
    part.add(0, picture(0, 128, 96), picture(0, 128, 96))
    with pytest.raises(ValueError, match="1 frames were written of 3"):
        part.finish()


def test_an_aborted_part_leaves_nothing_to_warn_about():
    part = Refusals().part()
    part.add(0, picture(0, 128, 96), picture(0, 128, 96))
    part.abort()
    del part


@pytest.mark.parametrize("data", [b"", b"no mp4 at all", bytes(64)])
def test_what_is_no_part_is_refused(data):
    with pytest.raises(ValueError, match="the part is no MP4 file"):
        read_part(data)
