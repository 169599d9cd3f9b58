import io
import struct
from dataclasses import replace

import pytest
from made_clips import CLIPS, Clip, clip, make

from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.workloads.media.files import GuardedFile
from dropscore.workloads.media.opening import DEFAULT_LIMITS, Limits, open_video
from dropscore.workloads.media.probe import probe_video


def failure_of(data, name="clip.mp4", **arguments):
    with pytest.raises(FailedError) as caught, open_video(io.BytesIO(data), name, **arguments):
        pass
    failure = caught.value.failure
    assert failure.input == name
    assert repr(name) in failure.message
    assert failure.action
    return failure


@pytest.mark.fault(12)
def test_a_file_without_bytes_is_said_to_be_empty():
    assert failure_of(b"").code is Code.INPUT_EMPTY


def test_a_text_file_renamed_mp4_is_called_a_text_file():
    failure = failure_of(b"This is not a video.\n")
    assert failure.code is Code.INPUT_UNSUPPORTED
    assert "is a text file" in failure.message


@pytest.mark.fault(59)
def test_a_playlist_renamed_mp4_opens_nothing(tmp_path):
    secret = tmp_path / "secret.ts"
    secret.write_bytes(clip("transport stream"))
    failure = failure_of(f"#EXTM3U\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n".encode())
    assert failure.code is Code.INPUT_UNSUPPORTED
    assert "playlist" in failure.message


def with_reference_to(data, path):
    """The MP4 file with its samples said to lie in another file: each box around the reference grows with it."""
    url = b"url " + bytes(4) + f"file://{path}".encode() + b"\x00"
    own = struct.pack(">I", 12) + b"url \x00\x00\x00\x01"
    at = data.index(own)
    patched = bytearray(data[:at] + struct.pack(">I", 4 + len(url)) + url + data[at + 12 :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = data.rindex(name, 0, at) - 4
        (size,) = struct.unpack_from(">I", patched, start)
        struct.pack_into(">I", patched, start, size + 4 + len(url) - 12)
    return bytes(patched)


@pytest.mark.fault(59)
def test_an_mp4_whose_samples_are_said_to_lie_in_another_file_does_not_reach_it(tmp_path):
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(clip("plain"))
    referring = with_reference_to(clip("plain"), outside)
    start, end = referring.index(b"mdat") + 4, referring.index(b"moov") - 4
    emptied = referring[:start] + bytes(end - start) + referring[end:]
    with pytest.raises(FailedError) as caught:
        probe_video(io.BytesIO(emptied), "clip.mp4")
    assert "not one can be decoded" in caught.value.failure.message
    assert probe_video(io.BytesIO(referring), "clip.mp4").timeline.frames == 48  # the reference itself is no fault


@pytest.mark.fault(12)
def test_sound_alone_is_no_video():
    failure = failure_of(make(Clip(video=False, audio="aac")))
    assert failure.code is Code.INPUT_UNSUPPORTED
    assert "holds no video, only audio (aac)" in failure.message


def test_a_codec_that_is_not_allowed_is_named():
    failure = failure_of(make(Clip(container="avi", codec="flv", frames=3)))
    assert failure.code is Code.INPUT_UNSUPPORTED
    assert "compressed with flv" in failure.message


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (Limits(max_bytes=1000), "bytes, over 1000"),
        (Limits(max_pixels=128 * 96 - 1), "frames of 128 x 96 = 12288 pixels, over 12287"),
        (Limits(max_side=100), "frames of 128 x 96, over 100 on a side"),
        (Limits(max_duration_s=1.5), "a duration of 2 s, over 2"),
    ],
)
def test_what_is_over_a_limit_is_refused_with_both_figures(limits, found):
    failure = failure_of(clip("plain"), limits=limits)
    assert failure.code is Code.INPUT_LIMIT
    assert found in failure.message


def test_too_many_streams_are_refused():
    assert failure_of(clip("with sound"), limits=replace(DEFAULT_LIMITS, max_streams=1)).code in (
        Code.INPUT_LIMIT,
        Code.INPUT_UNREADABLE,
    )


@pytest.mark.fault(60)
def test_huge_frames_are_refused_by_what_the_header_says():
    data = bytearray(clip("motion jpeg"))
    data[data.index(b"mdat") + 4 : data.index(b"moov") - 4] = bytes(data.index(b"moov") - data.index(b"mdat") - 8)
    entry = data.index(b"jpeg" + bytes(6))
    at = data.index(struct.pack(">HH", 128, 96), entry)
    struct.pack_into(">HH", data, at, 16384, 16384)
    assert f"announces more than {DEFAULT_LIMITS.max_pixels} pixels" in failure_of(bytes(data)).message


@pytest.mark.fault(13)
def test_an_mp4_cut_before_its_index_is_said_to_be_cut_off():
    data = clip("plain")
    failure = failure_of(data[: len(data) // 2])
    assert failure.code is Code.INPUT_UNREADABLE
    assert "is cut off" in failure.message
    assert "bytes are missing" in failure.message


def test_a_broken_matroska_file_is_unreadable():
    assert failure_of(b"\x1a\x45\xdf\xa3" + bytes(200)).code is Code.INPUT_UNREADABLE


class Failing(io.BytesIO):
    """A file whose storage stops answering after a number of reads."""

    def __init__(self, data, reads):
        super().__init__(data)
        self._reads = reads

    def read(self, size=-1):
        self._reads -= 1
        if self._reads < 0:
            raise TransientCloudError("storage did not answer")
        return super().read(size)


@pytest.mark.parametrize("reads", [0, 1])
def test_a_fault_of_storage_is_not_taken_for_a_bad_file(reads):
    with pytest.raises(TransientCloudError), open_video(Failing(clip("plain"), reads), "clip.mp4"):
        pass


def test_a_guarded_file_has_no_name():
    assert not hasattr(GuardedFile(io.BytesIO(b"abc")), "name")


def test_hollow_ranges_read_as_zeros_of_the_right_length():
    guarded = GuardedFile(io.BytesIO(bytes(range(1, 101))), hollow=[(10, 20), (50, 60)])
    data = b""
    while piece := guarded.read(7):
        data += piece
    expected = bytearray(range(1, 101))
    expected[10:20] = expected[50:60] = bytes(10)
    assert data == bytes(expected)
    assert guarded.seek(-1, 2) == 99
    assert guarded.read(10) == b"\x64"


def test_every_made_clip_opens():
    for name in CLIPS:
        with open_video(io.BytesIO(clip(name)), name) as opened:
            assert opened.stream.width > 0
