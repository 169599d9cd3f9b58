"""Small videos made for tests: every frame shows its own number, so that a lost or doubled frame is seen."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import av
import numpy as np

BLOCKS = 10
"""A frame's number stands in its top rows as this many black or white blocks, the lowest bit first."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a clip is made of. `times` are ticks of `time_base`; None means 0, 1, 2, … frames of `rate`."""

    frames: int = 48
    width: int = 128
    height: int = 96
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    container: str = "mp4"
    rate: int = 24
    time_base: Fraction | None = None
    times: Sequence[int] | None = None
    gop: int = 12
    b_frames: int = 0
    codec_options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    rotation: int | None = None
    colour: tuple[int, int, int, int] | None = None
    """Range, matrix, primaries and transfer as FFmpeg counts them."""
    sample_aspect: Fraction | None = None
    audio: str | None = None
    audio_start_s: float = 0.0
    audio_s: float | None = None
    video: bool = True
    metadata: dict[str, str] = field(default_factory=dict)
    chapters: tuple[tuple[float, float, str], ...] = ()


def picture(number: int, width: int, height: int) -> np.ndarray:
    """(H, W, 3) RGB: a moving gradient with the number in blocks along the top."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([(x * 2 + number * 3) % 256, (y * 2 + 40) % 256, np.full_like(x, 90)], axis=-1).astype(np.uint8)
    rgb = (rgb // 2 + 48).astype(np.uint8)
    side = width // BLOCKS
    for bit in range(BLOCKS):
        rgb[: height // 4, bit * side : (bit + 1) * side] = 235 if number >> bit & 1 else 20
    return rgb


def number_in(pixels: np.ndarray) -> int:
    """Read a frame's number back."""
    height, width = pixels.shape[:2]
    side = width // BLOCKS
    rows = slice(height // 16, height // 5)
    bits = (
        int(pixels[rows, bit * side + side // 4 : (bit + 1) * side - side // 4].mean() > 128) for bit in range(BLOCKS)
    )
    return sum(value << bit for bit, value in enumerate(bits))


def make(clip: Clip) -> bytes:
    """The file's bytes."""
    out = io.BytesIO()
    with av.open(out, "w", format=clip.container, container_options=clip.container_options) as container:
        container.metadata.update(clip.metadata)
        video = _video_stream(container, clip) if clip.video else None
        audio = container.add_stream(clip.audio, rate=48000) if clip.audio else None
        if clip.chapters:
            container.set_chapters(
                [
                    {
                        "id": i,
                        "start": int(start * 1000),
                        "end": int(end * 1000),
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for i, (start, end, title) in enumerate(clip.chapters)
                ]
            )
        packets = []
        if video is not None:
            packets += _video_packets(video, clip)
        if audio is not None:
            packets += _audio_packets(audio, clip)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return out.getvalue()


def _video_stream(container, clip):
    stream = container.add_stream(clip.codec, rate=clip.rate, options=clip.codec_options)
    stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
    base = clip.time_base or Fraction(1, clip.rate)
    stream.time_base = base
    context = stream.codec_context
    context.time_base = base
    context.gop_size = clip.gop
    context.max_b_frames = clip.b_frames
    context.thread_count = 1
    if clip.colour:
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = clip.colour
    if clip.sample_aspect:
        context.sample_aspect_ratio = clip.sample_aspect
    if clip.rotation is not None:
        stream.set_display_rotation(clip.rotation)
    return stream


def _video_packets(stream, clip):
    base = clip.time_base or Fraction(1, clip.rate)
    times = list(clip.times) if clip.times is not None else list(range(clip.frames))
    packets = []
    for number, time in enumerate(times):
        frame = av.VideoFrame.from_ndarray(picture(number, clip.width, clip.height), format="rgb24")
        if clip.colour:
            range_, matrix = clip.colour[:2]
            frame = frame.reformat(
                format=clip.pixel_format,
                src_color_range=2,
                dst_color_range=range_,
                src_colorspace=matrix,
                dst_colorspace=matrix,
            )
        else:
            frame = frame.reformat(format=clip.pixel_format)
        frame.pts, frame.time_base = time, base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _audio_packets(stream, clip):
    seconds = clip.audio_s if clip.audio_s is not None else clip.frames / clip.rate
    packets, size, start = [], stream.codec_context.frame_size or 1024, round(clip.audio_start_s * 48000)
    for at in range(0, int(seconds * 48000), size):
        tone = np.sin(2 * np.pi * 440 * (np.arange(at, at + size) / 48000)) * 8000
        samples = np.repeat(tone.astype(np.int16)[None, :], 2, axis=0).T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start + at, Fraction(1, 48000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


_OPEN_GOP = {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=12:min-keyint=12:scenecut=0"}

CLIPS: dict[str, Clip] = {
    "plain": Clip(),
    "b-frames": Clip(b_frames=2),
    "open groups": Clip(b_frames=3, codec_options=_OPEN_GOP),
    "open groups in matroska": Clip(container="matroska", b_frames=3, codec_options=_OPEN_GOP),
    "variable rate": Clip(
        time_base=Fraction(1, 90000),
        times=[0, 3000, 9000, 9500, 20000, *(20000 + i * 3003 + i % 3 * 50 for i in range(1, 30))],
    ),
    "odd size": Clip(width=101, height=75, pixel_format="yuv444p"),
    "rotated": Clip(rotation=90, sample_aspect=Fraction(4, 3)),
    "ten bits": Clip(pixel_format="yuv420p10le"),
    "hevc": Clip(codec="libx265", codec_options={"x265-params": "log-level=none:keyint=12:bframes=3:pools=1"}),
    "with sound": Clip(audio="aac"),
    "sound later": Clip(audio="aac", audio_start_s=0.5),
    "picture later": Clip(time_base=Fraction(1, 12288), times=[2048 + 512 * i for i in range(40)], audio="aac"),
    "trimmed start": Clip(
        time_base=Fraction(1, 12288), times=[512 * i - 3072 for i in range(48)], audio="aac", audio_start_s=-0.1
    ),
    "one key frame": Clip(gop=1000),
    "matroska": Clip(container="matroska", audio="libopus", b_frames=2),
    "opus sound": Clip(container="matroska", audio="libopus"),
    "avi with b-frames": Clip(container="avi", codec="mpeg4", b_frames=2),
    "avi": Clip(container="avi", codec="mpeg4", audio="mp2"),
    "transport stream": Clip(container="mpegts", b_frames=2, audio="aac"),
    "vp9": Clip(container="webm", codec="libvpx-vp9", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "vp8": Clip(container="webm", codec="libvpx", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "motion jpeg": Clip(codec="mjpeg", pixel_format="yuvj420p", container="mov"),
    "prores": Clip(codec="prores_ks", pixel_format="yuv422p10le", container="mov"),
    "full range": Clip(colour=(2, 1, 1, 1)),
    "limited range": Clip(colour=(1, 5, 5, 6)),
    "fragmented": Clip(container_options={"movflags": "frag_keyframe+empty_moov"}, b_frames=2),
    "pcm sound": Clip(container="mov", audio="pcm_s16le"),
    "interlaced": Clip(codec_options={"x264-params": "interlaced=1"}),
    "one frame": Clip(frames=1),
    "titled": Clip(
        audio="aac",
        rotation=270,
        metadata={"title": "A title", "comment": "kept"},
        chapters=((0, 1, "first"), (1, 2, "second")),
    ),
}
"""Clips of every kind that matters, small."""


@cache
def clip(name: str) -> bytes:
    """The bytes of one of `CLIPS`."""
    return make(CLIPS[name])


def frame_numbers(data: bytes) -> list[int]:
    """The numbers that a video's frames show, in order."""
    with av.open(io.BytesIO(data)) as container:
        return [number_in(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def frame_times(data: bytes, stream: int = 0) -> list[Fraction]:
    """The times of a video's packets in seconds, sorted: exact."""
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[stream]
        base = Fraction(video.time_base.numerator, video.time_base.denominator)
        packets = [packet for packet in container.demux(video) if packet.size and not packet.is_discard]
        return sorted(packet.pts * base for packet in packets)


def sound_packets(data: bytes) -> list[list[tuple[Fraction, bytes]]]:
    """For each sound track, the time in seconds and the bytes of every packet."""
    with av.open(io.BytesIO(data)) as container:
        indices = [stream.index for stream in container.streams.audio]
    return [_packets_of(data, index) for index in indices]


def _packets_of(data: bytes, index: int) -> list[tuple[Fraction, bytes]]:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams[index]
        base = Fraction(stream.time_base.numerator, stream.time_base.denominator)
        return [(packet.pts * base, bytes(packet)) for packet in container.demux(stream) if packet.size]


def damaged(data: bytes, packet_number: int, *, whole: bool = False) -> tuple[bytes, int]:
    """The same file with noise in one video packet (all of it, or its middle), and the packet's time in ticks."""
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        packet = packets[packet_number]
        start, size, pts = packet.pos, packet.size, packet.pts
    first, last = (start + 4, start + size) if whole else (start + size // 2, start + size // 2 + min(64, size // 4))
    noise = np.random.default_rng(1).integers(0, 256, last - first, dtype=np.uint8).tobytes()
    return data[:first] + noise + data[last:], pts


def with_subtitles(data: bytes, container: str, codec: str, texts: Sequence[bytes]) -> bytes:
    """The same streams in another container, with a subtitle each half second."""
    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format=container) as target:
        streams = {
            stream.index: target.add_stream_from_template(stream, opaque=stream.type == "audio")
            for stream in source.streams
        }
        subtitles = target.add_mux_stream(codec)
        packets = [packet for packet in source.demux() if packet.size]
        for packet in packets:
            packet.stream = streams[packet.stream.index]
        for number, text in enumerate(texts):
            packet = av.Packet(text)
            packet.stream, packet.time_base = subtitles, Fraction(1, 1000)
            packet.pts = packet.dts = number * 500
            packet.duration = 400
            packets.append(packet)
        for packet in sorted(packets, key=lambda one: float((one.pts if one.dts is None else one.dts) * one.time_base)):
            target.mux(packet)
    return out.getvalue()


def subtitle_packets(data: bytes) -> list[tuple[Fraction, bytes]]:
    """Time in seconds and bytes of each packet of the first subtitles; none when there are none."""
    with av.open(io.BytesIO(data)) as container:
        indices = [stream.index for stream in container.streams.subtitles]
    return _packets_of(data, indices[0]) if indices else []
