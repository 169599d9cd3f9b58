"""The small picture that rides in a verdict."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from dropscore.workloads.media.sheet import THUMBNAIL_SIDE, small_picture, thumbnail

MOST_BYTES = 6_000


@pytest.mark.parametrize("shape", [(360, 640, 3), (640, 360, 3), (2160, 3840, 3), (20, 30, 3), (8, 2000, 3)])
def test_a_thumbnail_is_small_keeps_its_aspect_and_is_the_same_each_time(shape: tuple[int, int, int]) -> None:
    height, width, _ = shape
    slope = np.linspace(0, 255, height * width * 3).reshape(shape).astype(np.uint8)
    picture = small_picture(slope)

    text = thumbnail(picture)
    shown = Image.open(io.BytesIO(base64.b64decode(text)))

    assert text == thumbnail(picture)
    assert len(text) <= MOST_BYTES
    assert shown.format == "JPEG"
    assert max(shown.size) <= THUMBNAIL_SIDE
    small = Image.open(io.BytesIO(picture))
    scale = max(shown.size) / max(small.size)
    assert abs(shown.width - small.width * scale) <= 1
    assert abs(shown.height - small.height * scale) <= 1


def test_a_busy_picture_still_fits_into_a_verdict() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)

    assert len(thumbnail(small_picture(noise))) <= 2 * MOST_BYTES
