"""Describe some of a shard's items as a shard of their own, for when it cannot be scored as a whole."""

from collections.abc import Iterator

from dropscore.contracts.plan import Piece, ShardSpec
from dropscore.workloads.base import InputFiles, WorkloadOptions
from dropscore.workloads.media.decode import range_times
from dropscore.workloads.style_transfer.work import PictureWork, VideoWork, work_of


def narrow(
    shard: ShardSpec,
    piece: Piece,
    options: WorkloadOptions,  # noqa: ARG001 - every workload gets its options
    inputs: InputFiles,
) -> ShardSpec:
    """The shard of these items (`dropscore.workloads.base.Narrow`).

    Frames are looked up in the video by their times. Raises `FailedError` E-INPUT-CORRUPT when the video does not hold
    the frames of the plan, and what reading it raises.
    """
    work = work_of(shard)
    first = piece.first_item - shard.first_item
    if isinstance(work, PictureWork):
        pictures = PictureWork(runs=tuple(_runs(work.runs, first, first + piece.items)))
        return _spec(shard, piece, pictures, pictures.runs[0][0])
    return _spec(shard, piece, _video(shard, work, inputs, first, first + piece.items), shard.input_index)


def _spec(shard: ShardSpec, piece: Piece, work: VideoWork | PictureWork, input_index: int) -> ShardSpec:
    return ShardSpec(
        shard_id=shard.shard_id,
        input_index=input_index,
        first_item=piece.first_item,
        items=piece.items,
        work=work.model_dump(mode="json"),
    )


def _video(shard: ShardSpec, work: VideoWork, inputs: InputFiles, first: int, end: int) -> VideoWork:
    """The work of frames `first` to `end` (exclusive), counted from the shard's first."""
    with inputs.open(shard.input_index) as file:
        times = range_times(file, inputs.refs[shard.input_index].name, work.to_decode(shard.items))
    start = times.pts[first]
    return work.model_copy(
        update={
            "key": max((key for key in times.keys if key <= start), default=work.key),
            "start": start,
            "end": times.pts[end] if end < shard.items else work.end,
            "cuts": tuple(at - first for at in work.cuts if first < at < end),
        }
    )


def _runs(runs: tuple[tuple[int, int], ...], first: int, end: int) -> Iterator[tuple[int, int]]:
    """What of runs of lines, each (first line, count), holds pictures `first` to `end` (exclusive)."""
    at = 0
    for line, count in runs:
        low, high = max(first, at), min(end, at + count)
        if low < high:
            yield line + low - at, high - low
        at += count
