"""Put one video together from its parts, and its comparison in the same pass."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import InputSummary, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.verdict import Outcome
from dropscore.workloads.base import StitchRequest
from dropscore.workloads.media.flicker import Flicker
from dropscore.workloads.media.join import Joined, JoinError, Placed, Source, Target, join
from dropscore.workloads.media.part import picture_frames
from dropscore.workloads.media.parts import Part, last_frame, read_part
from dropscore.workloads.style_transfer.frames import stand_in_part
from dropscore.workloads.style_transfer.gallery import Gallery
from dropscore.workloads.style_transfer.missing import Missing, cannot_go_on
from dropscore.workloads.style_transfer.options import OnMissing, StyleTransferOptions
from dropscore.workloads.style_transfer.outputs import Names, output_of, own_name
from dropscore.workloads.style_transfer.work import VideoOutline, VideoWork, times_digest, work_of

MEDIA_TYPES: Final = {"mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska"}

RESULT_TRACK, COMPARISON_TRACK = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResult:
    """What became of one video. `missing` counts its frames without a result, by what became of them."""

    outputs: tuple[OutputFile, ...]
    missing: Counter[Missing]
    flicker: Flicker
    notes: tuple[str, ...]


class VideoStitcher:
    """Joins the parts of one video. Remembers what it sees in them."""

    def __init__(
        self,
        request: StitchRequest,
        options: StyleTransferOptions,
        summary: InputSummary,
        outline: VideoOutline,
        gallery: Gallery,
    ) -> None:
        self._request = request
        self._options = options
        self._summary = summary
        self._own_name = own_name(summary.name)
        self._outline = outline
        self._gallery = gallery
        self._missing = Counter[Missing]()
        self._last_good: bytes | None = None
        """The last part with results."""
        self._flicker = Flicker()

    def stitch(self, shards: Iterator[ShardSpec], names: Names) -> VideoResult:
        """Write the outputs, none if every frame is left out. Raises `FailedError` when frames are missing, doubled or
        out of order.
        """
        placed = self._placed(shards)
        first = next(placed, None)
        if first is None:
            return self._nothing()
        return self._join(itertools.chain((first,), placed), self._targets(names))

    def _join(self, placed: Iterator[Placed], targets: Sequence[Target]) -> VideoResult:
        with self._request.inputs.open(self._summary.input_index) as file:
            source = Source(
                file=file, name=self._summary.name, stream=self._outline.stream, copied=self._outline.copied
            )
            try:
                joined = join(targets, Fraction(*self._outline.base), placed, source)
            except JoinError as error:
                raise self._unfit(str(error)) from error
        self._verify(joined)
        titles = (f"{self._own_name}, styled", f"{self._own_name}, original and result side by side")
        outputs = tuple(
            output_of(target.path, MEDIA_TYPES[self._outline.suffix], title, self._output_facts(joined))
            for target, title in zip(targets, titles, strict=False)
        )
        notes = (f"The sound of {self._own_name} is damaged and ends early.",) if joined.copies_cut else ()
        return VideoResult(outputs=outputs, missing=self._missing, flicker=self._flicker, notes=notes)

    def _nothing(self) -> VideoResult:
        note = f"No frame of {self._own_name} could be scored, so there is no output of it."
        return VideoResult(outputs=(), missing=self._missing, flicker=self._flicker, notes=(note,))

    def _targets(self, names: Names) -> Sequence[Target]:
        """The result, and the comparison if wanted; that one is upright by itself."""
        folder, name, suffix = self._request.folder, self._summary.name, self._outline.suffix
        result = Target(
            path=folder / names.name(name, f"-styled.{suffix}"),
            track=RESULT_TRACK,
            format=self._outline.container,
            matrix=self._outline.matrix,
        )
        if not self._options.side_by_side:
            return (result,)
        comparison = Target(
            path=folder / names.name(name, f"-side-by-side.{suffix}"),
            track=COMPARISON_TRACK,
            format=self._outline.container,
            matrix=None,
        )
        return (result, comparison)

    def _placed(self, shards: Iterator[ShardSpec]) -> Iterator[Placed]:
        """The parts in their places. What is left out leaves its time to the part before."""
        waiting: Placed | None = None
        for shard in shards:
            work = work_of(shard)
            if not isinstance(work, VideoWork):
                raise self._unfit(f"shard {shard.shard_id} is not one of this video")
            placed = self._place(shard, work)
            if placed is None:
                waiting = waiting and replace(waiting, to_pts=work.end)
                continue
            if waiting is not None:
                yield waiting
            waiting = placed
        if waiting is not None:
            yield waiting

    def _place(self, shard: ShardSpec, work: VideoWork) -> Placed | None:
        data = self._part_bytes(shard, work)
        if data is None:
            return None
        try:
            part = read_part(data)
        except ValueError as error:
            raise self._unfit(str(error)) from error
        if self._request.parts.verdict(shard).outcome is Outcome.DONE:
            self._show(shard, work, part)
        return Placed(part=part, frames=shard.items, from_pts=work.start, to_pts=work.end)

    def _part_bytes(self, shard: ShardSpec, work: VideoWork) -> bytes | None:
        """A shard's part, or what stands in for one that failed; None when nothing does."""
        ended = self._request.parts.verdict(shard)
        if ended.outcome is Outcome.DONE:
            self._flicker += Flicker.from_json(ended.metrics.get("flicker"))
            with self._request.parts.open(shard) as file:
                self._last_good = file.read()
            return self._last_good
        on_missing = self._options.on_missing
        if on_missing is OnMissing.FAIL:
            raise cannot_go_on(shard, ended)
        if on_missing is OnMissing.GAPS:
            self._missing[Missing.LEFT_OUT] += shard.items
            return None
        before = None
        if self._last_good is not None:
            before = last_frame(self._last_good, work.colours, work.frame_size)
        repeat = on_missing is OnMissing.REPEAT and before is not None
        self._missing[Missing.REPEATED if repeat else Missing.ORIGINAL] += shard.items
        return stand_in_part(shard, self._options, self._request.inputs, before=before, repeat=repeat).data

    def _show(self, shard: ShardSpec, work: VideoWork, part: Part) -> None:
        """Offer the part's pictures to the report."""
        pictures = len(part.tracks) - 1
        for nth, frame in enumerate(picture_frames(shard.items)):
            item = shard.first_item + frame
            if self._gallery.wants(item):
                ticks = work.start + int(part.tracks[0].pts[frame]) // work.base[0]
                before, after = (bytes(part.packet(pictures, 2 * nth + side)) for side in (0, 1))
                self._gallery.add(item, f"{self._own_name} at {_clock(ticks * Fraction(*work.base))}", before, after)

    def _verify(self, joined: Joined) -> None:
        """Hold the joined video to the plan: every frame once, in order, at its own time."""
        expected = self._summary.items - self._missing[Missing.LEFT_OUT]
        if len(joined.pts) != expected:
            raise self._unfit(f"{len(joined.pts)} frames were joined where {expected} belong")
        if not self._missing and times_digest(joined.pts) != self._outline.times_sha256:
            raise self._unfit("the frames' times are not those of the source")

    def _output_facts(self, joined: Joined) -> dict[str, Json]:
        scored = self._summary.items - self._missing.total()
        return {
            "frames": len(joined.pts),
            "frames_scored": scored,
            "coverage": scored / self._summary.items,
            "copied_packets": joined.copied_packets,
        }

    def _unfit(self, reason: str) -> FailedError:
        return FailedError.of(
            Code.INTERNAL,
            f"the parts of {self._summary.name!r} do not fit together: {reason}",
            input=self._summary.name,
        )


def _clock(seconds: Fraction) -> str:
    """A time as minutes and seconds, such as 1:02.5."""
    minutes, rest = divmod(max(float(seconds), 0.0), 60)
    return f"{int(minutes)}:{rest:04.1f}"
