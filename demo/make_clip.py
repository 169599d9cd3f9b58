"""Make the demo's clip: four photographs that ship with scikit-image, slow camera moves, cross-fades, music.

    python -m demo.make_clip clip.mp4

640 x 360 at 24 frames a second, H.264 with a key frame each second, AAC stereo. The photographs are free to use:
a rocket (SpaceX, CC0), Eileen Collins (NASA), a cup of coffee (Rachel Michetti, CC0), Chelsea the cat (Stefan van
der Walt, CC0). The same versions of numpy, Pillow and PyAV give the same bytes.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image

from demo.music import CHORD_S, SAMPLE_RATE, music

WIDTH: Final = 640
HEIGHT: Final = 360
FRAMES_PER_S: Final = 24
FADE_S: Final = 0.4
AUDIO_BIT_RATE: Final = 128_000

type Frame = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the camera sees of a photograph: the middle as shares of its width and height, and the share of the
    largest 16:9 window that fits.
    """

    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One photograph and the camera's move over it."""

    photograph: str
    first: View
    last: View


SCENES: Final = (
    Scene(
        photograph="rocket.jpg",
        first=View(x=0.5, y=0.62, size=0.62),
        last=View(x=0.5, y=0.4, size=0.98),
    ),
    Scene(
        photograph="astronaut.png",
        first=View(x=0.5, y=0.36, size=1.0),
        last=View(x=0.43, y=0.27, size=0.72),
    ),
    Scene(
        photograph="coffee.png",
        first=View(x=0.4, y=0.5, size=0.78),
        last=View(x=0.56, y=0.48, size=0.92),
    ),
    Scene(
        photograph="chelsea.png",
        first=View(x=0.5, y=0.45, size=1.0),
        last=View(x=0.48, y=0.42, size=0.74),
    ),
)


def make_clip(path: Path) -> None:
    """Write the clip to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as target:
        video = _video_stream(target)
        audio = _audio_stream(target)
        for number, pixels in enumerate(frames()):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            coded = picture.reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            coded.pts, coded.time_base = number, Fraction(1, FRAMES_PER_S)
            target.mux(video.encode(coded))
        target.mux(video.encode(None))
        for sound in _sound_frames():
            target.mux(audio.encode(sound))
        target.mux(audio.encode(None))


def frames() -> Iterator[Frame]:
    """The pictures of the clip in order."""
    photographs = [_photograph(scene.photograph) for scene in SCENES]
    for number in range(frame_count()):
        time_s = number / FRAMES_PER_S
        scene = min(int(time_s / CHORD_S), len(SCENES) - 1)
        shown = _view(photographs[scene], SCENES[scene], time_s - scene * CHORD_S)
        since_s = time_s - scene * CHORD_S
        if scene and since_s < FADE_S:
            leaving = _view(photographs[scene - 1], SCENES[scene - 1], since_s + CHORD_S)
            share = _smooth((since_s + 0.5 / FRAMES_PER_S) / FADE_S)
            shown = leaving * (1 - share) + shown * share
        yield np.rint(shown).astype(np.uint8)


def frame_count() -> int:
    """Frames of the clip."""
    return round(len(SCENES) * CHORD_S * FRAMES_PER_S)


def _photograph(name: str) -> Image.Image:
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / name) as photograph:
        return photograph.convert("RGB")


def _view(photograph: Image.Image, scene: Scene, time_s: float) -> npt.NDArray[np.float32]:
    """What the camera sees `time_s` into a scene. The move goes on under the cross-fade into the next scene."""
    share = _smooth(time_s / (CHORD_S + FADE_S))
    x = _between(scene.first.x, scene.last.x, share)
    y = _between(scene.first.y, scene.last.y, share)
    width = min(photograph.width, photograph.height * WIDTH / HEIGHT) * _between(
        scene.first.size, scene.last.size, share
    )
    height = width * HEIGHT / WIDTH
    left = min(max(x * photograph.width - width / 2, 0.0), photograph.width - width)
    top = min(max(y * photograph.height - height / 2, 0.0), photograph.height - height)
    box = (left, top, left + width, top + height)
    return np.asarray(photograph.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box), np.float32)


def _smooth(share: float) -> float:
    """0 to 1 with rest at both ends."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _between(first: float, last: float, share: float) -> float:
    return first + (last - first) * share


def _video_stream(target: av.container.OutputContainer) -> av.VideoStream:
    video = target.add_stream("libx264", rate=FRAMES_PER_S)
    video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    coder = video.codec_context
    coder.time_base = Fraction(1, FRAMES_PER_S)
    coder.gop_size = FRAMES_PER_S
    coder.thread_count = 1  # another number of threads gives other bytes
    coder.color_primaries, coder.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    coder.colorspace, coder.color_range = Colorspace.ITU709, ColorRange.MPEG
    coder.options = {"crf": "18", "preset": "medium", "x264-params": "scenecut=0"}
    return video


def _audio_stream(target: av.container.OutputContainer) -> av.AudioStream:
    audio = target.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
    audio.bit_rate = AUDIO_BIT_RATE
    return audio


def _sound_frames() -> Iterator[av.AudioFrame]:
    """The music in frames of 1,024 samples, as AAC takes them."""
    samples = music(frame_count() / FRAMES_PER_S).astype(np.float32)
    for start in range(0, samples.shape[1], 1024):
        block = np.ascontiguousarray(samples[:, start : start + 1024])
        sound = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield sound


def main() -> None:
    """Write the clip where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m demo.make_clip", description="Make the demo's clip.")
    parser.add_argument("path", type=Path, nargs="?", default=Path("demo-output/clip.mp4"))
    make_clip(parser.parse_args().path)


if __name__ == "__main__":
    main()
