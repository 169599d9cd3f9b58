"""List a video's frames without decoding them all, and check on a few that the list is right."""

from dataclasses import dataclass, field

import av
from av.codec.context import ThreadType
from av.stream import Discard

from dropscore.workloads.base import Binary
from dropscore.workloads.media.boxes import top_boxes
from dropscore.workloads.media.files import GuardedFile
from dropscore.workloads.media.opening import OpenVideo, Use, open_container, open_video, sniff_file

CHECKED_PACKETS = 10
"""Packets decoded to see that packets and frames agree."""

STRICT_DECODING = {"err_detect": "crccheck+bitstream+buffer"}
"""Decoder options under which damage is reported instead of covered up."""


@dataclass(slots=True)
class Listing:
    """The frames of a video as listed.

    `pts` are the times of the displayed frames and `key_pts` those of the frames that decoding can start from, shown
    or not, in the order of the file. `headless` counts packets before the first key frame, `hidden` those that the
    file's edit list hides, `torn` those that the end of the file cuts or that lie behind it. `last` is the latest
    frame's time and duration.
    """

    pts: list[int | None] = field(default_factory=list)
    key_pts: list[int | None] = field(default_factory=list)
    headless: int = 0
    hidden: int = 0
    torn: int = 0
    last: tuple[int, int] | None = None

    def add(self, pts: int | None, *, key: bool, hidden: bool = False, duration: int | None = None) -> None:
        """Note one frame."""
        if key:
            self.key_pts.append(pts)
        if not self.key_pts:
            self.headless += 1
            return
        if hidden:
            self.hidden += 1
            return
        self.pts.append(pts)
        if pts is not None and (self.last is None or pts > self.last[0]):
            self.last = (pts, duration or 0)

    @property
    def sound(self) -> bool:
        """Whether each frame has a time of its own."""
        return None not in (*self.pts, *self.key_pts) and len(set(self.pts)) == len(self.pts)


def list_packets(opened: OpenVideo, raw: Binary) -> Listing:
    """List the packets of the chosen stream as the container describes them.

    Of an MP4 or QuickTime file only the index is read, not the media data. A file that ends early loses the
    packets from the first torn one on.
    """
    sniffed, listing = sniff_file(raw), Listing()
    guarded = GuardedFile(raw, hollow=_media_data(opened) if sniffed.format == "mov" else ())
    index = opened.stream.index
    use = Use.LIST if sniffed.format == "mov" else Use.COPY
    with open_container(guarded, sniffed, opened.name, use=use) as container:
        stream = container.streams[index]
        for other in container.streams:
            other.discard = Discard.default if other.index == index else Discard.all
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.is_corrupt or listing.torn:
                listing.torn += 1
            else:
                listing.add(packet.pts, key=packet.is_keyframe, hidden=packet.is_discard, duration=packet.duration)
        guarded.check()
    return listing


def _media_data(opened: OpenVideo) -> list[tuple[int, int]]:
    """Where the content of an MP4 file lies, which its index describes."""
    boxes = top_boxes(opened.file, opened.file.size_bytes)
    return [(box.start, box.end) for box in boxes if box.name == b"mdat"]


def list_by_decoding(raw: Binary, name: str, stream_index: int) -> Listing:
    """List the frames by decoding all of them: slow, and right where packets and frames do not agree.

    Stops where decoding fails; the rest is not there.
    """
    listing = Listing()
    with open_video(raw, name, stream=stream_index) as opened:
        stream = opened.stream
        stream.codec_context.options = STRICT_DECODING
        stream.thread_type = ThreadType.AUTO
        try:
            for packet in opened.container.demux(stream):
                for frame in stream.decode(packet if packet.size else None):
                    if not frame.is_corrupt:
                        listing.add(time_of(frame), key=bool(frame.key_frame), duration=frame.duration)
        except av.FFmpegError:
            listing.torn += 1
        opened.file.check()
    return listing


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFrames:
    """The sound frames that come out of a video's first packets, and whether others among them are damaged."""

    frames: list[av.VideoFrame]
    damaged: bool


def first_frames(opened: OpenVideo) -> FirstFrames:
    """Decode the first `CHECKED_PACKETS` packets, and more until a sound frame comes out."""
    frames: list[av.VideoFrame] = []
    damaged = False
    stream = opened.stream
    stream.codec_context.options = STRICT_DECODING
    stream.thread_type = ThreadType.NONE
    for sent, packet in enumerate(opened.container.demux(stream), start=1):
        try:
            decoded = stream.decode(packet if packet.size else None)
        except av.FFmpegError:
            decoded, damaged = [], True
        damaged |= any(frame.is_corrupt for frame in decoded)
        frames += [frame for frame in decoded if not frame.is_corrupt]
        if sent >= CHECKED_PACKETS and frames:
            break
    opened.file.check()
    return FirstFrames(frames=frames, damaged=damaged)


def time_of(frame: av.VideoFrame) -> int | None:
    """When a frame is shown, in ticks; the decoding time stands in where the file gives no other."""
    return frame.pts if frame.pts is not None else frame.dts
