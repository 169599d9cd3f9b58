"""Small files that would become huge, or take for ever, if anybody believed them."""

import io
import struct
import zlib
from collections.abc import Callable

from made_clips import Clip, clip, make
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
MANY = 100_000_000
UNPACKED = 200_000_000


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deflated(size: int, fill: bytes = b"\0") -> bytes:
    """So many equal bytes, compressed, without ever having them all."""
    packer, piece = zlib.compressobj(9), fill * 1_000_000
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


def png(width: int, height: int, *extra: bytes, pixels: bytes | None = None) -> bytes:
    """A grey PNG of one bit to a pixel."""
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0))
    data = pixels if pixels is not None else deflated((width // 8 + 1) * height)
    return PNG + head + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def small_png(*extra: bytes) -> bytes:
    """A harmless one, but for the chunks given."""
    return png(64, 64, *extra, pixels=zlib.compress(bytes(9 * 64)))


def png_20000() -> bytes:
    """50 kB that are 400 million pixels."""
    return png(20_000, 20_000)


def png_text() -> bytes:
    """A compressed text of 200 MB."""
    return small_png(chunk(b"zTXt", b"Comment\0\0" + deflated(UNPACKED)))


def png_profile() -> bytes:
    """A colour profile of 200 MB."""
    return small_png(chunk(b"iCCP", b"icc\0\0" + deflated(UNPACKED)))


def tiff_tiles() -> bytes:
    """A tiled TIFF of 40,000 by 40,000 whose tiles all point to the same bytes."""
    tile = deflated(256 * 256)
    count = (40_000 // 256 + 1) ** 2
    tags = [
        (256, 4, 1, 40_000), (257, 4, 1, 40_000), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1),
        (322, 4, 1, 256), (323, 4, 1, 256), (324, 4, count, 0), (325, 4, count, 0),
    ]  # fmt: skip
    at = 8 + 2 + 12 * len(tags) + 4
    offsets, sizes = at, at + 4 * count
    body = at + 8 * count
    tags[-2], tags[-1] = (324, 4, count, offsets), (325, 4, count, sizes)
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)
    return head + struct.pack("<I", body) * count + struct.pack("<I", len(tile)) * count + tile


def gif_frames() -> bytes:
    """A GIF of a hundred thousand frames of 10,000 by 10,000."""
    frame = b"\x2c" + struct.pack("<4HB", 0, 0, 10_000, 10_000, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + struct.pack("<2H3B", 10_000, 10_000, 0x80, 0, 0) + bytes(6) + frame * 100_000 + b"\x3b"


def webp_canvas() -> bytes:
    """An animation whose canvas is the largest there is, 268 million pixels."""
    side = 16_383
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    still = io.BytesIO()
    Image.new("RGB", (16, 16)).save(still, "WEBP", lossless=True)
    picture = still.getvalue()[12:]
    frame_head = bytes(6) + (15).to_bytes(3, "little") * 2 + (100).to_bytes(3, "little") + b"\0"
    frame = b"ANMF" + struct.pack("<I", len(frame_head) + len(picture)) + frame_head + picture
    body = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame * 2
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_65500() -> bytes:
    """A JPEG whose header says 65,500 by 65,500."""
    out = io.BytesIO()
    Image.new("L", (64, 64)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", data, at, 65_500, 65_500)
    return bytes(data)


def jpeg_scans() -> bytes:
    """A progressive JPEG of 49 million pixels that is gone over four thousand times: minutes of decoding."""
    out = io.BytesIO()
    Image.new("L", (7000, 7000)).save(out, "JPEG", progressive=True, quality=10)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 4000 + data[-2:]


def bmp_50000() -> bytes:
    """A BMP whose header says 50,000 by 50,000."""
    return (
        b"BM"
        + struct.pack("<IHHI", 70, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 50_000, 50_000, 1, 24, *[0] * 6)
        + bytes(16)
    )


def video_16k() -> bytes:
    """A video whose container and frames say 16,384 by 16,384."""
    data = bytearray(video_16k_inside())
    entry = data.index(b"jpeg" + bytes(6))
    struct.pack_into(">HH", data, data.index(struct.pack(">HH", 128, 96), entry), 16_384, 16_384)
    return bytes(data)


def video_16k_inside() -> bytes:
    """A video whose container says 128 by 96, and whose frames say 16,384 by 16,384."""
    data = bytearray(clip("motion jpeg"))
    at = 0
    while (at := data.find(b"\xff\xc0\x00\x11\x08", at) + 1) > 0:
        struct.pack_into(">HH", data, at + 4, 16_384, 16_384)
    return bytes(data)


def _box(data: bytearray, name: bytes) -> int:
    """Where the content of the first box of this name begins."""
    return data.index(name) + 4


def mp4_samples() -> bytes:
    """An MP4 file whose index says, in a few bytes, that it holds a hundred million frames."""
    data = bytearray(make(Clip(codec="mpeg4", frames=1)))
    struct.pack_into(">3I", data, _box(data, b"stts") + 4, 1, MANY, 1)
    struct.pack_into(">2I", data, _box(data, b"stsz") + 4, 1, MANY)
    struct.pack_into(">4I", data, _box(data, b"stsc") + 4, 1, 1, MANY, 1)
    return bytes(data)


def _grown(data: bytes, name: bytes, body: bytes, parents: tuple[bytes, ...]) -> bytes:
    """A box with another content; those around it grow with it, and so do the offsets of what comes after it."""
    start = data.index(name) - 4
    (size,) = struct.unpack_from(">I", data, start)
    box = struct.pack(">I", 8 + len(body)) + name + body
    patched = bytearray(data[:start] + box + data[start + size :])
    for parent in parents:
        at = data.rindex(parent, 0, start) - 4
        (before,) = struct.unpack_from(">I", data, at)
        struct.pack_into(">I", patched, at, before + len(box) - size)
    return bytes(patched)


def mp4_edits() -> bytes:
    """An MP4 file whose edit list plays its thousand frames thirty thousand times."""
    data = make(Clip(codec="mpeg4", frames=1000, width=64, height=48))
    (length,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 4 + 16)
    entries = struct.pack(">IiHh", length, 0, 1, 0) * 30_000
    body = bytes(4) + struct.pack(">I", 30_000) + entries
    if b"elst" in data:
        return _grown(data, b"elst", body, (b"moov", b"trak", b"edts"))
    edits = struct.pack(">I", 16 + len(body)) + b"edts" + struct.pack(">I", 8 + len(body)) + b"elst" + body
    return _inserted(data, b"mdia", edits, (b"moov", b"trak"))


def _inserted(data: bytes, before: bytes, box: bytes, parents: tuple[bytes, ...]) -> bytes:
    at = data.index(before) - 4
    patched = bytearray(data[:at] + box + data[at:])
    for parent in parents:
        start = data.rindex(parent, 0, at) - 4
        (size,) = struct.unpack_from(">I", data, start)
        struct.pack_into(">I", patched, start, size + len(box))
    return bytes(patched)


def mp4_fragment() -> bytes:
    """A fragmented MP4 file with one run of a hundred million frames of no bytes."""
    data = make(
        Clip(codec="mpeg4", frames=2, container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
    )
    at = _box(bytearray(data), b"trun")
    (size,) = struct.unpack_from(">I", data, at - 8)
    run = struct.pack(">2I", 0, MANY)
    return _grown(data, b"trun", run + bytes(size - 8 - len(run)), (b"moof", b"traf"))


BOMBS: dict[str, Callable[[], bytes]] = {
    make_one.__name__: make_one
    for make_one in (
        png_20000, png_text, png_profile, tiff_tiles, gif_frames, webp_canvas, jpeg_65500, jpeg_scans,
        bmp_50000, video_16k, video_16k_inside, mp4_samples, mp4_edits, mp4_fragment,
    )
}  # fmt: skip
