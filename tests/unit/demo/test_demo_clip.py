"""The demo's clip, and the comparison that the demo makes with it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from demo.check import compare
from demo.make_clip import FRAMES_PER_S, HEIGHT, WIDTH, frame_count, make_clip
from demo.music import PEAK, SAMPLE_RATE, music


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "clip.mp4"
    make_clip(path)
    return path


def test_it_is_five_seconds_of_video_with_a_key_frame_each_second(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))

    assert (stream.codec_context.width, stream.codec_context.height) == (WIDTH, HEIGHT)
    assert len(frames) == frame_count() == 120
    assert [number for number, frame in enumerate(frames) if frame.key_frame] == [0, 24, 48, 72, 96]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(n, FRAMES_PER_S) for n in range(120)]


def test_its_music_lasts_as_long_as_its_pictures(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)

    assert samples.shape == (2, 5 * SAMPLE_RATE)
    assert 0.5 < np.abs(samples).max() <= 1.0


def test_the_music_neither_clips_nor_clicks() -> None:
    played = music(5.0)

    assert np.abs(played).max() == pytest.approx(PEAK)
    assert np.abs(played[:, 0]).max() < 0.01
    assert np.abs(played[:, -1]).max() < 0.01
    assert np.abs(np.diff(played, axis=1)).max() < 0.2, "a jump between two samples is a click"


def test_the_same_clip_is_made_again(clip: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "again.mp4")

    assert (tmp_path / "again.mp4").read_bytes() == clip.read_bytes()


def test_a_clip_held_against_itself_passes(clip: Path) -> None:
    assert [check.name for check in compare(clip, clip) if check.passed] == ["frames", "times", "size", "sound"]


def test_a_clip_that_lost_a_frame_its_pace_its_size_and_its_sound_fails_in_each(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    with av.open(str(other), "w") as target:
        video = target.add_stream("libx264", rate=FRAMES_PER_S)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        for number in range(119):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = 2 * number, Fraction(1, FRAMES_PER_S)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))

    assert [check.name for check in compare(clip, other) if not check.passed] == ["frames", "times", "size", "sound"]
