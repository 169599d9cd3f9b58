"""Plan style transfer: look into every input, cut videos at key frames and pictures into groups.

Inputs that cannot be scored are refused, each with its reason; the others go on without them.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, Failure
from dropscore.contracts.plan import InputSummary, ShardSpec
from dropscore.workloads.base import Binary, Plan, PlanRequest
from dropscore.workloads.media.facts import Size, VideoFacts
from dropscore.workloads.media.images import PictureFacts, probe_picture
from dropscore.workloads.media.notes import container_for, copied_tracks, notes_on
from dropscore.workloads.media.opening import sniff_file
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.media.ranges import cut, dropped_frames
from dropscore.workloads.media.shard_size import ShardSize, choose_shard_size
from dropscore.workloads.media.sniffing import Kind
from dropscore.workloads.style_transfer.options import OnTruncated, StyleTransferOptions
from dropscore.workloads.style_transfer.work import PictureWork, PlanFacts, VideoOutline, VideoWork, times_digest

INPUTS_SIDE_BY_SIDE: Final = 4
READ_WHOLE_BYTES: Final = 32 * 1024**2
"""Inputs up to this size are read at once, which gives their digest too; of larger ones only what is needed."""

MOST_PICTURE_RUNS: Final = 64
"""Runs of input lines in one shard, so that its message stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one input turned out to be."""

    input_index: int
    name: str
    facts: VideoFacts | PictureFacts
    sha256: str | None

    @property
    def items(self) -> int:
        """Frames of a video; 1 for a picture."""
        return self.facts.timeline.frames if isinstance(self.facts, VideoFacts) else 1

    @property
    def size(self) -> Size:
        """The size of an item."""
        return self.facts.size


def plan(request: PlanRequest) -> Plan:
    """Probe the inputs and cut their items into shards. With nothing to score the plan has no shards."""
    options = request.options
    if not isinstance(options, StyleTransferOptions):
        raise TypeError(f"options of style transfer expected, got {type(options).__name__}")
    looked = _look_into_all(request, options)
    found = [one for one in looked if isinstance(one, Found)]
    refused = tuple(one for one in looked if isinstance(one, Failure))
    if not found:
        return Plan(shards=(), inputs=(), refused=refused, facts={}, shard_items=0, reason="No input can be scored.")
    size = _shard_size(request, found)
    return Plan(
        shards=tuple(_shards(found, size, _mean_pixels(found))),
        inputs=tuple(_summary(one) for one in found),
        refused=refused,
        facts=_plan_facts(found).model_dump(mode="json"),
        shard_items=size.items,
        reason=size.reason,
    )


def _look_into_all(request: PlanRequest, options: StyleTransferOptions) -> list[Found | Failure]:
    """Each input's facts, or why it is refused, in the order of the inputs."""
    large_pictures = Lock()  # decoded one by one, so that a folder of them does not fill the memory

    def look(input_index: int) -> Found | Failure:
        name = request.inputs.refs[input_index].name
        try:
            with request.inputs.open(input_index) as file:
                return _look_into(file, name, input_index, options, large_pictures)
        except FailedError as error:
            return error.failure

    with ThreadPoolExecutor(INPUTS_SIDE_BY_SIDE) as pool:
        return list(pool.map(look, range(len(request.inputs.refs))))


def _look_into(file: Binary, name: str, input_index: int, options: StyleTransferOptions, large_pictures: Lock) -> Found:
    digest = None
    if file.seek(0, 2) <= READ_WHOLE_BYTES:
        file.seek(0)
        data = file.read()
        digest, file = hashlib.sha256(data).hexdigest(), io.BytesIO(data)
    is_picture = sniff_file(file).kind is Kind.PICTURE
    facts = probe_picture(file, name, one_at_a_time=large_pictures) if is_picture else probe_video(file, name)
    if isinstance(facts, VideoFacts) and facts.lost_frames and options.on_truncated is OnTruncated.REFUSE:
        whole = facts.timeline.frames
        raise FailedError.of(
            Code.INPUT_CORRUPT,
            f"the end of {name!r} is missing: {whole} frames are whole, {facts.lost_frames} are cut off",
            action="Upload the whole file, or set on_truncated to salvage.",
            input=name,
        )
    return Found(input_index=input_index, name=name, facts=facts, sha256=digest)


def _mean_pixels(found: Sequence[Found]) -> float:
    return sum(one.items * one.size.pixels for one in found) / sum(one.items for one in found)


def _shard_size(request: PlanRequest, found: Sequence[Found]) -> ShardSize:
    mean = _mean_pixels(found)
    videos = [(one.facts, one.size) for one in found if isinstance(one.facts, VideoFacts)]

    def dropped(items: int) -> float:
        """Frames of average size that are decoded in vain with shards of this many items."""
        return sum(
            dropped_frames(facts.timeline, _scaled(items, size, mean)) * size.pixels / mean for facts, size in videos
        )

    return choose_shard_size(
        items=sum(one.items for one in found),
        pixels=mean,
        pace=request.pace,
        target_shard_s=request.target_shard_s,
        dropped=dropped,
    )


def _scaled(items: int, size: Size, mean_pixels: float) -> int:
    """As many items of this size as take the time of `items` of average size."""
    return max(int(items * mean_pixels / size.pixels), 1)


def _shards(found: Sequence[Found], size: ShardSize, mean_pixels: float) -> Iterator[ShardSpec]:
    """The shards in output order. Neighbouring pictures of one size share shards; a video never does."""
    shard_id = first_item = 0
    for _, group in groupby(found, key=_neighbours):
        members = list(group)
        most = _scaled(size.items, members[0].size, mean_pixels)
        for input_index, items, work in _works(members, most):
            yield ShardSpec(
                shard_id=shard_id,
                input_index=input_index,
                first_item=first_item,
                items=items,
                work=work.model_dump(mode="json"),
            )
            shard_id, first_item = shard_id + 1, first_item + items


def _neighbours(one: Found) -> tuple[object, ...]:
    """What neighbours must share to be in one shard."""
    return (one.size,) if isinstance(one.facts, PictureFacts) else (one.input_index,)


def _works(members: Sequence[Found], most: int) -> Iterator[tuple[int, int, VideoWork | PictureWork]]:
    """(input, items, work) of each shard of one video, or of neighbouring pictures."""
    facts = members[0].facts
    if isinstance(facts, VideoFacts):
        for part in cut(facts.timeline, most):
            yield members[0].input_index, part.frames, VideoWork.of(facts, part)
        return
    shards = -(-len(members) // most)
    each = -(-len(members) // shards)
    for start in range(0, len(members), each):
        lines = [one.input_index for one in members[start : start + each]]
        runs = _runs(lines)
        for at in range(0, len(runs), MOST_PICTURE_RUNS):
            some = runs[at : at + MOST_PICTURE_RUNS]
            yield some[0][0], sum(count for _, count in some), PictureWork(runs=tuple(some))


def _runs(lines: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, count) of those that follow each other."""
    runs: list[tuple[int, int]] = []
    for line in lines:
        if runs and sum(runs[-1]) == line:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((line, 1))
    return runs


def _summary(one: Found) -> InputSummary:
    facts = one.facts
    told: dict[str, Json] = {"width_px": facts.size.width, "height_px": facts.size.height}
    if isinstance(facts, PictureFacts):
        told |= {"format": facts.format, "samples": facts.mode}
        notes = facts.notes
    else:
        told |= {
            "container": facts.container,
            "codec": facts.codec,
            "frames_per_s": round(float(facts.rate), 3),
            "duration_s": round(facts.timeline.duration_s, 3),
            "samples": facts.pixel_format,
            "key_frames": len(facts.timeline.key_pts),
            "sound": ", ".join(track.codec for track in facts.tracks if track.kind == "audio") or "none",
        }
        notes = notes_on(facts)
    return InputSummary(
        input_index=one.input_index, name=one.name, items=one.items, facts=told, notes=notes, sha256=one.sha256
    )


def _plan_facts(found: Sequence[Found]) -> PlanFacts:
    videos = {str(one.input_index): _outline(one.facts) for one in found if isinstance(one.facts, VideoFacts)}
    return PlanFacts(videos=videos)


def _outline(facts: VideoFacts) -> VideoOutline:
    container, suffix = container_for(facts.tracks)
    return VideoOutline(
        stream=facts.stream,
        base=facts.timeline.time_base.as_integer_ratio(),
        matrix=facts.matrix,
        copied=copied_tracks(facts.tracks, container),
        container=container,
        suffix=suffix,
        times_sha256=times_digest(facts.timeline.pts),
    )
