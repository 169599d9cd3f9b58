import av
import numpy as np
import pytest

from dropscore.workloads.media.colour import Colour, Size, frame_colour, from_rgb, matrix_of, stored_colour, to_rgb

KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Weights of red and blue in luma, by H.273 matrix."""

SMALL = Size(width=64, height=48)


def exact_rgb(luma, cb, cr, matrix, full):
    """The definition: one colour's luma and chroma (0..255) to RGB (0..255)."""
    kr, kb = KR_KB[matrix]
    y = luma / 255 if full else (luma - 16) / 219
    u, v = ((c - 128) / (255 if full else 224) for c in (cb, cr))
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.array([red, green, blue]) * 255, 0, 255)


def flat_frame(luma, cb, cr, format_="yuv420p"):
    frame = av.VideoFrame(SMALL.width, SMALL.height, format_)
    for plane, value in zip(frame.planes, (luma, cb, cr), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("sample", [(81, 90, 200), (145, 54, 80), (41, 200, 110), (120, 128, 128)])
def test_samples_become_the_colours_their_matrix_and_range_mean(sample, matrix, full):
    colour = Colour(range=2 if full else 1, matrix=matrix)
    pixels = to_rgb(flat_frame(*sample), colour, SMALL)
    assert np.abs(pixels[20, 30] - exact_rgb(*sample, matrix, full)).max() <= 1.5
    assert pixels.std(axis=(0, 1)).max() == 0


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_colours_come_back_as_they_went(matrix, full):
    colour = Colour(range=2 if full else 1, matrix=matrix)
    rng = np.random.default_rng(0)
    for rgb in rng.integers(0, 256, (20, 3)):
        pixels = np.tile(rgb.astype(np.uint8), (48, 64, 1))
        frame = from_rgb(pixels, colour, SMALL, pixel_format="yuv444p")
        assert np.abs(to_rgb(frame, colour, SMALL).astype(int) - pixels).max() <= 2


def test_there_is_no_drift_of_brightness_over_there_and_back():
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    colour = Colour(range=1, matrix=1)
    back = to_rgb(from_rgb(smooth, colour, SMALL, pixel_format="yuv444p"), colour, SMALL)
    assert abs(float((back.astype(int) - smooth).mean())) < 0.1


@pytest.mark.parametrize(
    ("size", "scaler_matrix"),
    [((1280, 720), 1), ((1920, 1080), 1), ((720, 576), 5), ((720, 480), 5), ((640, 360), 5), ((608, 1080), 1)],
)
def test_video_that_does_not_say_is_taken_for_what_its_size_suggests(size, scaler_matrix):
    assert matrix_of(Colour(), Size(width=size[0], height=size[1])) == scaler_matrix


def test_tags_of_the_frame_go_before_those_of_the_file():
    frame = flat_frame(100, 128, 128)
    frame.colorspace, frame.color_range = 1, 1
    file = Colour(range=2, matrix=5, primaries=5, transfer=6)
    assert frame_colour(frame, file) == Colour(range=1, matrix=1, primaries=5, transfer=6)


def test_formats_that_mean_full_range_say_so():
    assert frame_colour(flat_frame(100, 128, 128, "yuvj420p"), Colour()).range == 2


def test_rgb_video_is_stored_as_bt709():
    assert stored_colour(Colour(range=2, matrix=0, primaries=1, transfer=13)) == Colour(
        range=1, matrix=1, primaries=1, transfer=13
    )


def test_pixels_of_another_size_are_scaled_to_the_one_announced():
    assert to_rgb(flat_frame(100, 128, 128), Colour(), Size(width=32, height=16)).shape == (16, 32, 3)
