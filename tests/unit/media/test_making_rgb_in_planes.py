"""RGB made in planes is what the scaler makes interleaved."""

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from dropscore.workloads.media.colour import FULL, LIMITED, Pixels, matrix_of, to_rgb
from dropscore.workloads.media.facts import Colour, Size

EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def interleaved(frame: av.VideoFrame, colour: Colour, size: Size) -> Pixels:
    """The scaler's own RGB pixels."""
    matrix = matrix_of(colour, size)
    made = frame.reformat(
        width=size.width,
        height=size.height,
        format="rgb24",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=colour.range,
        dst_color_range=FULL,
        interpolation=EXACT,
        threads=1,
    )
    return np.asarray(made.to_ndarray(), dtype=np.uint8)


@pytest.mark.parametrize("to", [Size(width=96, height=54), Size(width=50, height=30)])
@pytest.mark.parametrize("range_", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "gray", "rgb24"])
def test_every_kind_of_samples_gives_the_values_of_the_slow_way(
    pixel_format: str, matrix: int, range_: int, to: Size
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (54, 96, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
    colour = Colour(range=range_, matrix=matrix, primaries=2, transfer=2)

    assert np.array_equal(to_rgb(frame, colour, to), interleaved(frame, colour, to))


def test_an_odd_width_is_off_by_one_level_at_most() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (47, 63, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    colour, size = Colour(range=LIMITED, matrix=1, primaries=2, transfer=2), Size(width=63, height=47)

    difference = to_rgb(frame, colour, size).astype(int) - interleaved(frame, colour, size)

    assert np.abs(difference).max() <= 1
    assert np.mean(difference != 0) < 0.01
