"""Frames and pictures on their way through the worker: where items come from, and where results go."""

from collections.abc import Iterator
from dataclasses import dataclass

from dropscore.contracts.plan import ShardSpec
from dropscore.workloads.base import InputFiles, Item, PartFile, Sink
from dropscore.workloads.media.colour import Pixels
from dropscore.workloads.media.decode import decode_range, decode_repaired
from dropscore.workloads.media.images import Kept, read_picture
from dropscore.workloads.media.part import VideoPart
from dropscore.workloads.media.picture_part import PicturePart
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.work import PictureWork, VideoWork, work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameContext:
    """What a frame carries from source to sink: when it is shown, in ticks of its video."""

    pts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureContext:
    """What a picture carries from source to sink: what of it is not restyled."""

    kept: Kept


def open_source(
    shard: ShardSpec,
    options: StyleTransferOptions,  # noqa: ARG001 - every workload's source gets its options
    inputs: InputFiles,
    *,
    threads: int = 1,
) -> Iterator[Item]:
    """Decode a shard's items in order: (H, W, 3) RGB uint8, frames as stored, pictures upright.

    More than one of `threads` decode several frames of a video at once. Raises `FailedError` with `item` set for an
    item that cannot be decoded, and what reading the inputs raises.
    """
    work = work_of(shard)
    if isinstance(work, VideoWork):
        return _frames(shard, work, inputs, threads)
    return _pictures(shard, work, inputs)


def open_sink(shard: ShardSpec, options: StyleTransferOptions) -> Sink:
    """Start the part of a shard. Results are (H, W, 3) RGB uint8 in the size of their items."""
    work = work_of(shard)
    if isinstance(work, VideoWork):
        return VideoSink(VideoPart(work.to_part(shard.items, options)))
    return PictureSink(PicturePart(shard.items))


def stand_in_part(
    shard: ShardSpec, options: StyleTransferOptions, inputs: InputFiles, *, before: Pixels | None, repeat: bool
) -> PartFile:
    """The part of a shard of video that has no results: the original frames, or with `repeat` always the result
    `before`, the last one there was.

    Of the originals, what cannot be decoded repeats the frame before it.
    """
    work = work_of(shard)
    if not isinstance(work, VideoWork):
        raise TypeError(f"shard {shard.shard_id} is not of a video")
    part = VideoPart(work.to_part(shard.items, options))
    with inputs.open(shard.input_index) as file:
        name = inputs.refs[shard.input_index].name
        for frame in decode_repaired(file, name, work.to_decode(shard.items), before=before):
            part.add(frame.pts, frame.pixels, before if repeat and before is not None else frame.pixels)
    return part.finish()


class VideoSink:
    """Encodes the results of a shard of video."""

    def __init__(self, part: VideoPart) -> None:
        self._part = part

    def write(self, item: Item, result: Pixels) -> None:
        self._part.add(item.context.pts, item.pixels, result)

    def close(self) -> PartFile:
        return self._part.finish()

    def abort(self) -> None:
        self._part.abort()


class PictureSink:
    """Encodes the results of a shard of pictures."""

    def __init__(self, part: PicturePart) -> None:
        self._part = part

    def write(self, item: Item, result: Pixels) -> None:
        self._part.add(item.index, item.pixels, result, item.context.kept)

    def close(self) -> PartFile:
        return self._part.finish()

    def abort(self) -> None:
        self._part.abort()


def _frames(shard: ShardSpec, work: VideoWork, inputs: InputFiles, threads: int) -> Iterator[Item]:
    name, cuts = inputs.refs[shard.input_index].name, frozenset(work.cuts)
    with inputs.open(shard.input_index) as file:
        decoded = decode_range(file, name, work.to_decode(shard.items), first_item=shard.first_item, threads=threads)
        for number, frame in enumerate(decoded):
            context = FrameContext(pts=frame.pts)
            yield Item(shard.first_item + number, frame.pixels, context, frame.decode_s, fresh=number in cuts)


def _pictures(shard: ShardSpec, work: PictureWork, inputs: InputFiles) -> Iterator[Item]:
    for index, line in enumerate(work.inputs, start=shard.first_item):
        with inputs.open(line) as file:
            picture = read_picture(file, inputs.refs[line].name, item=index)
        yield Item(index, picture.pixels, PictureContext(kept=picture.kept))
