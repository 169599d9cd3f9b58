"""The clip of the worker's benchmarks: 1280x720, a texture that moves, a square across it, and a camera's noise."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT, FPS = 1280, 720, 25
GOP = 30
"""Frames between key frames: a shard is one group of pictures."""
NOISE_LEVELS = 5.0
"""Standard deviation of the noise: about 75 KB a frame, as film has."""


def frames(count: int) -> Iterator[npt.NDArray[np.uint8]]:
    """(720, 1280, 3) RGB uint8."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    texture = np.asarray(Image.fromarray(coarse).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC), np.int16)
    noise = [random.normal(0, NOISE_LEVELS, (HEIGHT, WIDTH, 1)).astype(np.int16) for _ in range(8)]
    for number in range(count):
        left, top = 4 * number % WIDTH, 2 * number % HEIGHT
        frame = texture[top : top + HEIGHT, left : left + WIDTH] + noise[number % 8]
        square = 7 * number % (WIDTH - 200)
        frame[260:460, square : square + 200] = 255 - frame[260:460, square : square + 200]
        yield np.clip(frame, 0, 255).astype(np.uint8)


def write_clip(path: Path, count: int) -> None:
    """H.264 in MP4."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "superfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = GOP
        stream.codec_context.time_base = Fraction(1, FPS)
        for pixels in frames(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
