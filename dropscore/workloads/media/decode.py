"""Decode the frames of a range, exactly those, in order, as RGB."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import Binary
from dropscore.workloads.media.colour import Pixels, frame_colour, to_rgb
from dropscore.workloads.media.opening import open_video
from dropscore.workloads.media.view import DecodeSpec, Seen, View

__all__ = ["DecodeSpec", "Decoded", "RangeTimes", "decode_range", "decode_repaired", "range_times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A frame: when it is shown, (H, W, 3) RGB uint8, and the seconds spent on it (reading its bytes included)."""

    pts: int
    pixels: Pixels
    decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTimes:
    """When the frames of a range are shown, in order, and the times of its key frames, in ticks."""

    pts: tuple[int, ...]
    keys: tuple[int, ...]


def decode_range(file: Binary, name: str, spec: DecodeSpec, *, first_item: int, threads: int = 1) -> Iterator[Decoded]:
    """Decode a range. More than one of `threads` decode several frames at once.

    Raises `FailedError` E-INPUT-CORRUPT when a frame is damaged or missing, or built on one that is, before the range
    or after it. `item` and `last_item` (that of the range's first frame is `first_item`) are all that fall with it
    (see `damage`), some of which may have been given already.
    """
    done = 0
    began = time.perf_counter()
    with open_video(file, name, stream=spec.stream) as opened:
        view = View(opened, spec, threads)
        for seen in view.frames:
            if not seen.whole or seen.frame is None or seen.pts is None:
                raise _fallen(name, view, seen, spec, first_item, done)
            if not spec.from_pts <= seen.pts < spec.to_pts:
                continue
            if done == 0 and seen.pts != spec.from_pts:
                break
            pixels = to_rgb(seen.frame, frame_colour(seen.frame, spec.colour), spec.size)
            yield Decoded(pts=seen.pts, pixels=pixels, decode_s=time.perf_counter() - began)
            began = time.perf_counter()
            done += 1
            if done == spec.frames and not view.awaits_more:
                return
    if done < spec.frames:
        raise _corrupt(name, first_item + done, first_item + spec.frames - 1)


def decode_repaired(
    file: Binary, name: str, spec: DecodeSpec, *, before: Pixels | None = None, threads: int = 1
) -> Iterator[Decoded]:
    """Decode a range whatever its state: damaged frames as the decoder mends them, missing ones as a repeat of the
    one before. At the start that is the frame decoded last before the range, or else `before`, or else black. Always
    gives `spec.frames` frames.
    """
    black = np.zeros((spec.size.height, spec.size.width, 3), dtype=np.uint8)
    shown = Decoded(pts=spec.from_pts - 1, pixels=black if before is None else before, decode_s=0.0)
    earlier: av.VideoFrame | None = None
    left = spec.frames
    with open_video(file, name, stream=spec.stream) as opened:
        for seen in View(opened, spec, threads).frames:
            if seen.pts is None or not shown.pts < seen.pts < spec.to_pts:
                earlier = seen.frame or earlier
                continue
            mended, earlier = seen.frame or earlier, None
            pixels = shown.pixels if mended is None else to_rgb(mended, frame_colour(mended, spec.colour), spec.size)
            shown = Decoded(pts=seen.pts if left < spec.frames else spec.from_pts, pixels=pixels, decode_s=0.0)
            yield shown
            left -= 1
            if left == 0:
                return
    after = max(shown.pts, spec.from_pts - 1)
    for nth in range(left):
        pts = after + 1 + nth * (spec.to_pts - after - 1) // left
        yield Decoded(pts=pts, pixels=shown.pixels, decode_s=0.0)


def range_times(file: Binary, name: str, spec: DecodeSpec) -> RangeTimes:
    """The times of a range's frames, whatever their state: of its packets if these tell, else found by decoding.

    Raises `FailedError` E-INPUT-CORRUPT when there are not as many as there must be.
    """
    with open_video(file, name, stream=spec.stream) as opened:
        view = View(opened, spec)
        pts = None if spec.exact else [seen.pts for seen in view.frames if seen.pts is not None]
        coded = view.packets()
    inside = tuple(one for one in (pts or sorted(one.pts for one in coded)) if spec.from_pts <= one < spec.to_pts)
    if len(inside) != spec.frames:
        message = f"{name!r} holds {len(inside)} frames where the plan saw {spec.frames}"
        raise FailedError.of(Code.INPUT_CORRUPT, message, input=name)
    return RangeTimes(pts=inside, keys=tuple(sorted(one.pts for one in coded if one.key)))


def _fallen(name: str, view: View, seen: Seen, spec: DecodeSpec, first_item: int, done: int) -> FailedError:
    """What to raise for a bad frame: the items that fall with it, or else all after the `done` that came before."""
    lost = view.lost_with(seen)
    times = sorted(one.pts for one in view.packets() if spec.from_pts <= one.pts < spec.to_pts)
    inside = [place for place, pts in enumerate(times) if lost is not None and pts in lost]
    if lost is not None and inside:
        return _corrupt(name, first_item + inside[0], first_item + inside[-1])
    return _corrupt(name, first_item + min(done, spec.frames - 1), first_item + spec.frames - 1)


def _corrupt(name: str, item: int, last_item: int) -> FailedError:
    if item == last_item:
        message = f"item {item} of the run, a frame of {name!r}, is damaged or missing"
        return FailedError.of(Code.INPUT_CORRUPT, message, input=name, item=item)
    message = f"items {item} to {last_item} of the run, frames of {name!r}, are damaged or built on a damaged one"
    return FailedError.of(Code.INPUT_CORRUPT, message, input=name, item=item, last_item=last_item)
