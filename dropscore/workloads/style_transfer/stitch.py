"""Stitch style transfer: parts of a video become one video, results of pictures become files.

1. The shards are taken in order; one that is missing or doubled ends it.
2. A video's parts are checked (count, order, settings) and joined by copying packets, together with the sound of
   the source; the comparison is made in the same pass.
3. Pictures keep their names and formats.
4. For what failed for good something stands in, or nothing, or the run ends: as the option `on_missing` says.
5. What was seen on the way becomes the report's: flicker, pictures before and after, notes.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import PlanIndex, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.workloads.base import Stitched, StitchRequest
from dropscore.workloads.media.flicker import Flicker
from dropscore.workloads.style_transfer.gallery import Gallery
from dropscore.workloads.style_transfer.missing import Missing
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.outputs import Names
from dropscore.workloads.style_transfer.stitch_pictures import PictureStitcher
from dropscore.workloads.style_transfer.stitch_video import VideoStitcher
from dropscore.workloads.style_transfer.work import PlanFacts

STEADY_RATIO = 2.0
"""Flicker up to this ratio is hardly seen."""


def stitch(request: StitchRequest) -> Stitched:
    """Make the outputs of a run. Raises `FailedError` for items that failed, if that is to end it (`on_missing`), and
    for parts that do not fit together.
    """
    options = request.options
    if not isinstance(options, StyleTransferOptions):
        raise TypeError(f"options of style transfer expected, got {type(options).__name__}")
    summaries = {summary.input_index: summary for summary in request.plan.inputs}
    outlines = decode(PlanFacts, request.plan.facts).videos
    names, gallery = Names(), Gallery(request.plan.items)
    pictures = PictureStitcher(request, options, summaries, names, gallery)
    outputs: list[OutputFile] = []
    notes: list[str] = []
    missing, flicker = Counter[Missing](), Flicker()
    for input_index, shards in groupby(_in_order(request.shards(), request.plan), key=_video_of):
        if input_index is None:
            outputs += pictures.stitch(shards)
            continue
        video = VideoStitcher(request, options, summaries[input_index], outlines[str(input_index)], gallery)
        result = video.stitch(shards, names)
        outputs += result.outputs
        missing += result.missing
        flicker += result.flicker
        notes += result.notes
    missing += pictures.missing
    return Stitched(
        outputs=tuple(outputs),
        items_published=request.plan.items - missing.total(),
        items_missing=missing.total(),
        notes=(*notes, *_notes(missing, request.plan.items, flicker)),
        metrics=_metrics(flicker),
        before=gallery.before,
        after=gallery.after,
    )


def _in_order(shards: Iterator[ShardSpec], plan: PlanIndex) -> Iterator[ShardSpec]:
    """The shards and pieces of shards, held to their count and to the order of their items."""
    seen = items = 0
    for shard in shards:
        if shard.first_item != items or shard.shard_id not in (seen - 1, seen):
            raise _broken(f"shard {shard.shard_id} with item {shard.first_item} stands where shard {seen} belongs")
        yield shard
        seen, items = shard.shard_id + 1, items + shard.items
    if (seen, items) != (plan.shards, plan.items):
        raise _broken(f"it lists {seen} shards of {items} items; there must be {plan.shards} of {plan.items}")


def _broken(reason: str) -> FailedError:
    return FailedError.of(Code.INTERNAL, f"the plan is not whole: {reason}")


def _video_of(shard: ShardSpec) -> int | None:
    """The input of a shard of video; None for pictures."""
    return None if shard.work.get("kind") == "pictures" else shard.input_index


def _metrics(flicker: Flicker) -> dict[str, Json]:
    """Flicker over the whole run (see `media.flicker`)."""
    if flicker.ratio is None:
        return {}
    return {
        "flicker_ratio": round(flicker.ratio, 3),
        "flicker_output_levels": round(flicker.output_change / flicker.points, 3),
        "flicker_input_levels": round(flicker.input_change / flicker.points, 3),
        "flicker_frame_pairs": flicker.pairs,
    }


def _notes(missing: Counter[Missing], items: int, flicker: Flicker) -> Iterator[str]:
    for how, number in missing.items():
        yield f"{number} of {items} items could not be scored {how}."
    if flicker.ratio is not None:
        seen = "hardly visible" if flicker.ratio <= STEADY_RATIO else "visible"
        yield (
            f"Where the input stands still, the result changes {flicker.ratio:.1f} times as much from frame to frame: "
            f"flicker is {seen}."
        )
