import io

import pytest
from made_clips import clip
from PIL import Image

from dropscore.workloads.media.sniffing import HEAD_BYTES, Kind, sniff


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("plain", "mov"),
        ("pcm sound", "mov"),
        ("fragmented", "mov"),
        ("matroska", "matroska"),
        ("vp9", "matroska"),
        ("avi", "avi"),
        ("transport stream", "mpegts"),
    ],
)
def test_videos_are_known_by_their_first_bytes(name, format_):
    sniffed = sniff(clip(name)[:HEAD_BYTES])
    assert (sniffed.kind, sniffed.format) == (Kind.VIDEO, format_)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP"])
def test_pictures_are_known_by_their_first_bytes(format_):
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, format_)
    sniffed = sniff(out.getvalue())
    assert (sniffed.kind, sniffed.format) == (Kind.PICTURE, format_)


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (b"#EXTM3U\n#EXT-X-VERSION:3\nhttp://example.com/a.ts\n", "an HLS playlist"),
        (b"\xef\xbb\xbf\n#EXTM3U\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "a list of files for FFmpeg"),
        (b"<?xml version='1.0'?><MPD/>", "an XML file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        ("just some text, also with ümlauts".encode(), "a text file"),
        (b'{"workload": "style_transfer"}', "a JSON file"),
        (b"GIF89a" + bytes(20), "a GIF picture"),
        (b"II*\x00" + bytes(20), "a TIFF picture"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "a HEIC, AVIF or raw picture"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "a RIFF sound file"),
        (b"PK\x03\x04" + bytes(20), "a ZIP archive"),
        (b"\x80\x02}q\x00.", "a Python pickle"),
        (bytes(100), "of an unknown kind"),
        (b"", "of an unknown kind"),
    ],
)
def test_everything_else_is_named_and_not_read(head, title):
    sniffed = sniff(head)
    assert (sniffed.kind, sniffed.format, sniffed.title) == (Kind.OTHER, "", title)


def test_text_cut_inside_a_character_is_still_text():
    assert sniff("ä".encode() * 10 + b"\xc3").title == "a text file"


def test_binary_that_decodes_as_text_by_chance_is_not_text():
    assert sniff(b"abc\x00\x01\x02def").title == "of an unknown kind"
