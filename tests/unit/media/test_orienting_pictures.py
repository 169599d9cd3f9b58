import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from dropscore.workloads.media.facts import Orientation, Size
from dropscore.workloads.media.orientation import orientation_of, read_matrix, upright
from dropscore.workloads.media.sheet import display_size, fit, small_picture

ONE = 1 << 16
LETTER = np.array([[1, 2], [3, 4], [5, 6]])
"""Three rows of two."""


def matrix(a, b, c, d):
    return (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    ("numbers", "orientation", "shown"),
    [
        ((1, 0, 0, 1), Orientation(), [[1, 2], [3, 4], [5, 6]]),
        ((0, -1, 1, 0), Orientation(quarter_turns=1), [[2, 4, 6], [1, 3, 5]]),
        ((-1, 0, 0, -1), Orientation(quarter_turns=2), [[6, 5], [4, 3], [2, 1]]),
        ((0, 1, -1, 0), Orientation(quarter_turns=3), [[5, 3, 1], [6, 4, 2]]),
        ((-1, 0, 0, 1), Orientation(mirrored=True), [[2, 1], [4, 3], [6, 5]]),
        ((1, 0, 0, -1), Orientation(quarter_turns=2, mirrored=True), [[5, 6], [3, 4], [1, 2]]),
        ((0, 1, 1, 0), Orientation(quarter_turns=1, mirrored=True), [[1, 3, 5], [2, 4, 6]]),
    ],
)
def test_a_display_matrix_moves_points_as_its_definition_says(numbers, orientation, shown):
    """(x, y) goes to (a x + c y, b x + d y), y pointing down."""
    a, b, c, d = numbers
    assert orientation_of(matrix(*numbers)) == orientation
    turned = upright(LETTER, orientation)
    assert turned.tolist() == shown
    xs, ys = [], []
    for y in range(3):
        for x in range(2):
            xs.append(a * x + c * y)
            ys.append(b * x + d * y)
    for (y, x), new_x, new_y in zip(((y, x) for y in range(3) for x in range(2)), xs, ys, strict=True):
        assert turned[new_y - min(ys), new_x - min(xs)] == LETTER[y, x]


def test_no_matrix_means_no_turn():
    assert orientation_of(None) == Orientation()


def test_side_data_of_another_length_is_no_matrix():
    assert read_matrix(b"") is None
    assert read_matrix(bytes(36)) == (0,) * 9


@pytest.mark.parametrize(
    ("size", "aspect", "turns", "shown"),
    [
        ((720, 576), Fraction(1), 0, (720, 576)),
        ((720, 576), Fraction(16, 15), 0, (768, 576)),
        ((720, 480), Fraction(8, 9), 0, (720, 540)),
        ((1920, 1080), Fraction(1), 1, (1080, 1920)),
    ],
)
def test_display_size_has_square_pixels_and_is_upright(size, aspect, turns, shown):
    width, height = size
    result = display_size(Size(width=width, height=height), aspect, Orientation(quarter_turns=turns))
    assert (result.width, result.height) == shown


def test_fit_keeps_the_aspect_and_never_enlarges():
    assert fit(Size(width=1280, height=720), 640) == Size(width=640, height=360)
    assert fit(Size(width=100, height=50), 640) == Size(width=100, height=50)
    assert fit(Size(width=5000, height=1), 100) == Size(width=100, height=1)


def test_a_report_picture_is_a_small_upright_jpeg():
    pixels = np.zeros((720, 1280, 3), dtype=np.uint8)
    pixels[:, :640] = (250, 10, 10)
    picture = Image.open(io.BytesIO(small_picture(pixels, orientation=Orientation(quarter_turns=1), side=160)))
    assert (picture.format, picture.size) == ("JPEG", (90, 160))
    red, _, _ = picture.convert("RGB").getpixel((45, 150))
    assert red > 230
