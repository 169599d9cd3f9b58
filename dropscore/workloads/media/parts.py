"""Read parts back, fast: their packets are found from the MP4 index alone, and nothing is probed or decoded."""

import io
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from dropscore.workloads.media.boxes import Box, inner_boxes
from dropscore.workloads.media.colour import Pixels, frame_colour, to_rgb
from dropscore.workloads.media.facts import Colour, Size, Ticks

type _Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTrack:
    """A track of a part: its sample description (codec, size, parameter sets), ticks a second, and its packets.

    `pts` count from the part's first frame. Packet i lies at `offsets[i]` and is `sizes[i]` bytes long.
    """

    description: bytes
    timescale: int
    pts: Ticks
    offsets: _Numbers
    sizes: _Numbers
    keys: frozenset[int]

    @property
    def codec(self) -> str:
        """Four letters of the codec, such as `avc1`."""
        return self.description[12:16].decode("ascii", errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part: its bytes, the file without its media (which is enough to describe the tracks), and its tracks."""

    data: memoryview
    header: bytes
    tracks: tuple[PartTrack, ...]

    def packet(self, track: int, number: int) -> memoryview:
        """The bytes of a packet."""
        here = self.tracks[track]
        start = int(here.offsets[number])
        return self.data[start : start + int(here.sizes[number])]


def read_part(data: bytes) -> Part:
    """Read the index of an MP4 file that `part.VideoPart` wrote. Raises ValueError when it is not one."""
    view = memoryview(data)
    boxes = {box.name: box for box in inner_boxes(view, 0, len(data))}
    if not {b"ftyp", b"mdat", b"moov"} <= boxes.keys():
        raise ValueError("the part is no MP4 file")
    movie = boxes[b"moov"]
    tracks = tuple(_track(view, box) for box in inner_boxes(view, movie.start, movie.end) if box.name == b"trak")
    header = bytes(view[: boxes[b"ftyp"].end]) + bytes(view[movie.start - 8 : movie.end])
    return Part(data=view, header=header, tracks=tracks)


def last_frame(data: bytes, colour: Colour, size: Size) -> Pixels:
    """The last frame of a part's track 0, decoded: (H, W, 3) RGB uint8. `colour` are the video's tags."""
    with av.open(io.BytesIO(data), "r", format="mov") as container:
        stream = container.streams.video[0]
        container.seek(stream.duration or 0, stream=stream)
        *_, last = container.decode(stream)
    return to_rgb(last, frame_colour(last, colour), size)


def _track(view: memoryview, track: Box) -> PartTrack:
    media = _child(view, track, b"mdia")
    table = _child(view, _child(view, media, b"minf"), b"stbl")
    boxes = {box.name: box for box in inner_boxes(view, table.start, table.end)}
    head = _child(view, media, b"mdhd")
    version_1 = view[head.start] == 1
    timescale = int.from_bytes(view[head.start + (20 if version_1 else 12) :][:4])
    sizes = _sizes(view, boxes[b"stsz"])
    durations = _runs(view, boxes[b"stts"])
    pts = np.concatenate([[0], np.cumsum(np.repeat(durations[:, 1], durations[:, 0]))])[: len(sizes)].astype(np.int64)
    keys = frozenset((_column(view, boxes[b"stss"], 1)[:, 0] - 1).tolist()) if b"stss" in boxes else None
    return PartTrack(
        description=bytes(view[boxes[b"stsd"].start : boxes[b"stsd"].end]),
        timescale=timescale,
        pts=pts,
        offsets=_offsets(view, boxes, sizes),
        sizes=sizes,
        keys=keys if keys is not None else frozenset(range(len(sizes))),
    )


def _child(view: memoryview, parent: Box, name: bytes) -> Box:
    for box in inner_boxes(view, parent.start, parent.end):
        if box.name == name:
            return box
    raise ValueError(f"the part has no {name.decode()} where one must be")


def _column(view: memoryview, box: Box, columns: int, *, at: int = 4, kind: str = ">u4") -> _Numbers:
    """The rows of a table of unsigned numbers: (rows, columns) int64. The row count stands `at` bytes in."""
    rows = int.from_bytes(view[box.start + at : box.start + at + 4])
    table = np.frombuffer(view, dtype=kind, count=rows * columns, offset=box.start + at + 4)
    return table.astype(np.int64).reshape(rows, columns)


def _runs(view: memoryview, box: Box) -> _Numbers:
    """(count, value) rows of a run-length table."""
    return _column(view, box, 2)


def _sizes(view: memoryview, box: Box) -> _Numbers:
    constant = int.from_bytes(view[box.start + 4 : box.start + 8])
    count = int.from_bytes(view[box.start + 8 : box.start + 12])
    return np.full(count, constant, dtype=np.int64) if constant else _column(view, box, 1, at=8)[:, 0]


def _offsets(view: memoryview, boxes: dict[bytes, Box], sizes: _Numbers) -> _Numbers:
    """Where each packet lies: chunks hold runs of packets one behind the other."""
    chunks = (
        _column(view, boxes[b"co64"], 1, kind=">u8")[:, 0]
        if b"co64" in boxes
        else _column(view, boxes[b"stco"], 1)[:, 0]
    )
    runs = _column(view, boxes[b"stsc"], 3)
    lengths = np.diff(np.append(runs[:, 0], len(chunks) + 1))
    packets = np.repeat(runs[:, 1], lengths)
    firsts = np.concatenate([[0], np.cumsum(packets)])[:-1]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    within = ends[:-1] - np.repeat(ends[firsts.astype(np.int64)], packets)
    offsets: _Numbers = np.repeat(chunks, packets) + within
    return offsets
