"""Hold a styled video against its source: what must be the same, is the same.

    python -m demo.check source.mp4 styled.mp4

Compared are the number of frames and the time of each, the size of the picture, and every packet of sound, byte by
byte with its time.
"""

import argparse
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison: what was compared, how it came out, in words."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A packet of sound: its time in seconds after the first picture, and its bytes."""

    at_s: Fraction
    data: bytes


def compare(source: Path, styled: Path) -> tuple[Check, ...]:
    """All comparisons of a styled video with its source."""
    before, after = picture_times(source), picture_times(styled)
    sound_before, sound_after = sound_packets(source), sound_packets(styled)
    size_before, size_after = picture_size(source), picture_size(styled)
    latest = max((abs(a - b) for a, b in zip(before, after, strict=False)), default=Fraction(0))
    return (
        Check(name="frames", passed=len(before) == len(after), detail=f"{len(after)} of {len(before)}"),
        Check(
            name="times",
            passed=before == after,
            detail="the same for every frame" if before == after else f"up to {float(latest):.6f} s apart",
        ),
        Check(name="size", passed=size_before == size_after, detail=f"{size_after[0]} x {size_after[1]}"),
        Check(
            name="sound",
            passed=sound_before == sound_after,
            detail=_sound_detail(sound_before, sound_after),
        ),
    )


def picture_times(path: Path) -> list[Fraction]:
    """The time of every decoded frame in seconds, counted from the first."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.pts * frame.time_base for frame in container.decode(stream) if frame.pts is not None]
    return [time - times[0] for time in times]


def first_picture_s(path: Path) -> Fraction:
    """The time of the first frame, as the container has it."""
    with av.open(str(path)) as container:
        frame = next(container.decode(container.streams.video[0]))
        return Fraction(0) if frame.pts is None else frame.pts * frame.time_base


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels."""
    with av.open(str(path)) as container:
        coder = container.streams.video[0].codec_context
        return coder.width, coder.height


def sound_packets(path: Path) -> list[Sound]:
    """Every packet of the first sound stream, if there is one; times count from the first picture."""
    origin_s = first_picture_s(path)
    with av.open(str(path)) as container:
        return [
            Sound(packet.pts * packet.time_base - origin_s, bytes(packet))
            for stream in container.streams.audio[:1]
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        ]


def _sound_detail(before: list[Sound], after: list[Sound]) -> str:
    if before != after:
        return f"differs: {len(after)} packets, {len(before)} in the source"
    return f"{len(after)} packets, bit for bit" if after else "none, as in the source"


def main() -> int:
    """Print the comparisons; 0 when all came out well."""
    parser = argparse.ArgumentParser(prog="python -m demo.check", description="Hold a styled video against its source.")
    parser.add_argument("source", type=Path)
    parser.add_argument("styled", type=Path)
    arguments = parser.parse_args()
    checks = compare(arguments.source, arguments.styled)
    for check in checks:
        sys.stdout.write(f"{'ok ' if check.passed else 'BAD'}  {check.name:<7} {check.detail}\n")
    return 0 if all(check.passed for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
