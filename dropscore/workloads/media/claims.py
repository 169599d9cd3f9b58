"""What the index of an MP4 or QuickTime file claims, held to the file's own size before a parser believes it.

A few bytes can say that there are a hundred million frames, or that all frames are played ten thousand times over;
FFmpeg makes room for every one of them before the first is read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import Binary
from dropscore.workloads.media.boxes import Box, Seekable, boxes_between, top_boxes
from dropscore.workloads.media.opening import sniff_file

MOST_PLAYED: Final = 5_200_000
"""Frames that a track may play, each time it plays one counted: a day at 60 frames a second."""
FEW_EDITS: Final = 2
"""A pause and the whole track: an edit list of no more than these repeats nothing."""

_PARENTS: Final = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"moof", b"traf"})
_COUNTS: Final = {b"stsz": 8, b"stz2": 8, b"trun": 4, b"elst": 4}
"""Boxes with a count, and where in their content it stands."""
_DEEPEST: Final = 8


@dataclass(slots=True)
class _Track:
    frames: int = 0
    edits: int = 0


def check_claims(file: Binary, name: str) -> None:
    """Raise E-INPUT-LIMIT for an MP4 or QuickTime file that claims what cannot be, and what reading it raises."""
    if sniff_file(file).format != "mov":
        return
    claim = false_claim(file, file.seek(0, 2))
    if claim is not None:
        raise FailedError.of(Code.INPUT_LIMIT, f"{name!r} {claim}", input=name)


def false_claim(file: Seekable, file_bytes: int) -> str | None:
    """What a file claims that cannot be, in words; None when its figures may be true."""
    tracks: list[_Track] = []
    in_fragments = 0
    for box, count in _counts(file, top_boxes(file, file_bytes), file_bytes):
        if box.name == b"trak":
            tracks.append(_Track())
        elif box.name == b"trun":
            in_fragments += count
        elif tracks and box.name == b"elst":
            tracks[-1].edits += count
        elif tracks:
            tracks[-1].frames += count
    for frames in (*(track.frames for track in tracks), in_fragments):
        if frames > file_bytes:
            return f"announces {frames} frames in {file_bytes} bytes"
    for track in tracks:
        if track.edits > FEW_EDITS and track.edits * track.frames > MOST_PLAYED:
            return f"has an edit list that plays {track.frames} frames up to {track.edits} times over"
    return None


def _counts(file: Seekable, boxes: Iterator[Box], file_bytes: int, depth: int = 0) -> Iterator[tuple[Box, int]]:
    """Every track, and every box with a count and that count, in the order of the file."""
    for box in boxes:
        if box.name == b"trak":
            yield box, 0
        if box.name in _PARENTS and depth < _DEEPEST:
            yield from _counts(file, boxes_between(file, box.start, min(box.end, file_bytes)), file_bytes, depth + 1)
        elif box.name in _COUNTS:
            yield box, _count(file, box.start + _COUNTS[box.name])


def _count(file: Seekable, at: int) -> int:
    file.seek(at)
    data = file.read(4)
    return int(struct.unpack(">I", data)[0]) if len(data) == 4 else 0
