import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.workloads.media.facts import Size
from dropscore.workloads.media.images import (
    MAX_PIXELS,
    picture_suffix,
    probe_picture,
    read_picture,
    write_picture,
)

ROWS = np.arange(40, dtype=np.uint8)[:, None, None] * 4
COLUMNS = np.arange(60, dtype=np.uint8)[None, :, None] * 3
PIXELS = np.concatenate([ROWS + 0 * COLUMNS, COLUMNS + 0 * ROWS, 100 + 0 * ROWS + 0 * COLUMNS], axis=2).astype(np.uint8)
"""(40, 60, 3): red grows downwards, green to the right."""


def encoded(picture, format_, **arguments):
    out = io.BytesIO()
    picture.save(out, format_, **arguments)
    return out.getvalue()


def rgb(format_, **arguments):
    return encoded(Image.fromarray(PIXELS), format_, **arguments)


def read(data):
    return read_picture(io.BytesIO(data), "a.png")


def failure_of(data, name="a.png"):
    with pytest.raises(FailedError) as probed:
        probe_picture(io.BytesIO(data), name)
    with pytest.raises(FailedError) as caught:
        read_picture(io.BytesIO(data), name, item=7)
    assert caught.value.failure.item == 7
    assert probed.value.failure.code is caught.value.failure.code
    assert repr(name) in probed.value.failure.message
    assert probed.value.failure.input == name
    return probed.value.failure


@pytest.mark.parametrize(("format_", "tolerance"), [("PNG", 0), ("BMP", 0), ("JPEG", 12), ("WEBP", 12)])
def test_pictures_are_read_and_written_in_their_own_format(format_, tolerance):
    picture = read(rgb(format_))
    assert np.abs(picture.pixels.astype(int) - PIXELS).max() <= tolerance
    again = write_picture(PIXELS, picture.kept)
    assert Image.open(io.BytesIO(again)).format == format_
    assert np.abs(read(again).pixels.astype(int) - PIXELS).max() <= tolerance
    assert picture_suffix(again) == picture.kept.suffix


def test_the_same_result_gives_the_same_bytes():
    kept = read(rgb("JPEG")).kept
    assert write_picture(PIXELS, kept) == write_picture(PIXELS, kept)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_read_upright_and_written_without_the_turn(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A camera"
    turns = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # what undoes the tag's turn
    upright = Image.fromarray(PIXELS)
    stored = upright if turns is None else upright.transpose(Image.Transpose(turns))
    data = encoded(stored, "PNG", exif=exif)
    assert probe_picture(io.BytesIO(data), "a.png").size == Size(width=60, height=40)
    picture = read(data)
    assert np.array_equal(picture.pixels, PIXELS)
    written = Image.open(io.BytesIO(write_picture(picture.pixels, picture.kept)))
    assert written.size == (60, 40)
    assert written.getexif().get(0x0112, 1) == 1
    assert written.getexif()[0x010F] == "A camera"


def test_transparency_is_kept_as_it_was():
    alpha = np.tile(np.arange(60, dtype=np.uint8) * 4, (40, 1))
    picture = read(encoded(Image.fromarray(np.dstack([PIXELS, alpha])), "PNG"))
    assert np.array_equal(picture.pixels, PIXELS)
    restyled = 255 - PIXELS
    result = Image.open(io.BytesIO(write_picture(restyled, picture.kept)))
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result), np.dstack([restyled, alpha]))


def test_a_palette_with_a_transparent_colour_becomes_colour_with_alpha():
    palette = Image.fromarray(np.tile(np.array([[0, 1]], dtype=np.uint8), (40, 30)), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    picture = read(encoded(palette, "PNG", transparency=1))
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert picture.kept.alpha[0, :2].tolist() == [255, 0]


def test_sixteen_bits_become_eight_and_are_noted():
    deep = np.tile(np.linspace(0, 65535, 60).astype(np.uint16), (40, 1))
    data = encoded(Image.fromarray(deep), "PNG")
    assert "16-bit samples become 8-bit ones." in probe_picture(io.BytesIO(data), "a.png").notes
    picture = read(data)
    assert picture.pixels[0, :, 0].tolist() == (deep[0] >> 8).tolist()
    assert picture.pixels.shape == (40, 60, 3)


def test_deep_colour_is_noted_too():
    rows = b"".join(b"\x00" + struct.pack(">3H", 65535, 256, 0) * 4 for _ in range(4))
    data = b"\x89PNG\r\n\x1a\n"
    chunks = ((b"IHDR", struct.pack(">2I5B", 4, 4, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    for kind, body in chunks:
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    assert "16-bit samples become 8-bit ones." in probe_picture(io.BytesIO(data), "a.png").notes
    assert read(data).pixels[0, 0].tolist() == [255, 1, 0]


def test_cmyk_becomes_rgb_and_is_noted():
    data = encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG")
    assert "CMYK becomes RGB without its colour profile." in probe_picture(io.BytesIO(data), "a.jpg").notes
    picture = read(data)
    assert np.abs(picture.pixels.astype(int) - PIXELS).mean() < 12
    assert Image.open(io.BytesIO(write_picture(picture.pixels, picture.kept))).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA"])
def test_other_kinds_of_samples_become_rgb(mode):
    picture = read(encoded(Image.fromarray(PIXELS).convert(mode), "PNG"))
    assert picture.pixels.shape == (40, 60, 3)
    assert picture.pixels.dtype == np.uint8


def test_colour_profile_and_resolution_are_kept():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = read(rgb("JPEG", icc_profile=profile, dpi=(300, 300)))
    written = Image.open(io.BytesIO(write_picture(PIXELS, picture.kept)))
    assert written.info["icc_profile"] == profile
    assert written.info["dpi"] == (300, 300)


def test_a_grey_profile_does_not_go_onto_a_colour_picture():
    grey = b"\x00" * 16 + b"GRAY" + b"\x00" * 200
    picture = read(encoded(Image.fromarray(PIXELS).convert("L"), "PNG", icc_profile=grey))
    assert "icc_profile" not in picture.kept.tags


def frames(format_):
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    return encoded(first, format_, save_all=True, append_images=[second])


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_animations_are_refused_with_what_to_do(format_):
    failure = failure_of(frames(format_))
    assert failure.code is Code.INPUT_UNSUPPORTED
    assert "of 2 frames" in failure.message
    assert "as MP4" in failure.action


def test_of_a_photograph_with_several_pictures_the_first_is_used():
    data = frames("MPO")
    assert "Of several pictures in the file the first is used." in probe_picture(io.BytesIO(data), "a.jpg").notes
    picture = read(data)
    assert np.abs(picture.pixels.astype(int) - PIXELS).max() < 40
    assert picture.kept.suffix == "jpg"


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_picture_that_is_cut_off_is_noticed(format_):
    data = rgb(format_)
    failure = failure_of(data[: len(data) // 2])
    assert failure.code in (Code.INPUT_CORRUPT, Code.INPUT_UNREADABLE)
    assert "is cut off or damaged" in failure.message


@pytest.mark.fault(60)
def test_a_bomb_is_refused_by_its_header():
    size = struct.pack(">2I5B", 20_000, 20_000, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    failure = failure_of(data)
    assert failure.code is Code.INPUT_LIMIT
    assert str(MAX_PIXELS) in failure.message


def test_a_picture_just_over_the_limit_is_refused():
    size = struct.pack(">2I5B", 10_000, 5_001, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    assert "10000 x 5001 = 50010000 pixels" in failure_of(data).message


def test_an_empty_file_is_said_to_be_empty():
    assert failure_of(b"").code is Code.INPUT_EMPTY


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"plain text", "a text file"),
        (b"GIF89a" + bytes(30), "a GIF picture"),
        (b"II*\x00" + bytes(30), "a TIFF picture"),
    ],
)
def test_what_is_not_read_is_named(data, said):
    failure = failure_of(data)
    assert failure.code is Code.INPUT_UNSUPPORTED
    assert said in failure.message


def test_a_fault_of_storage_is_not_taken_for_a_bad_picture():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 500:
                raise TransientCloudError("storage did not answer")
            return super().read(min(size, 512) if size > 0 else size)

    with pytest.raises(TransientCloudError):
        probe_picture(Failing(rgb("BMP")), "a.bmp")


class Gate:
    """Counts who passes."""

    def __init__(self):
        self.passed = 0

    def __enter__(self):
        self.passed += 1

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(("width", "passes"), [(100, 0), (4001, 1)])
def test_only_large_pictures_are_probed_one_at_a_time(width, passes):
    gate = Gate()
    large = encoded(Image.new("L", (width, 2000)), "PNG")
    assert probe_picture(io.BytesIO(large), "a.png", one_at_a_time=gate).size.width == width
    assert gate.passed == passes
