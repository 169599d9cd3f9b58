"""Put one video together from its parts, and its comparison in the same pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import InputSummary, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.verdict import Outcome, Verdict
from dropscore.workloads.base import StitchRequest
from dropscore.workloads.media.flicker import Flicker
from dropscore.workloads.media.join import Joined, JoinError, Placed, Source, Target, join
from dropscore.workloads.media.part import picture_frames
from dropscore.workloads.media.parts import Part, read_part
from dropscore.workloads.style_transfer.frames import original_part
from dropscore.workloads.style_transfer.gallery import Gallery
from dropscore.workloads.style_transfer.options import OnMissing, StyleTransferOptions
from dropscore.workloads.style_transfer.outputs import Names, output_of
from dropscore.workloads.style_transfer.work import VideoOutline, VideoWork, times_digest, work_of

MEDIA_TYPES: Final = {"mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska"}

RESULT_TRACK, COMPARISON_TRACK = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResult:
    """What became of one video. `missing` counts its frames that show the original."""

    outputs: tuple[OutputFile, ...]
    missing: int
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
        self._outline = outline
        self._gallery = gallery
        self._missing = 0
        self._flicker = Flicker()

    def stitch(self, shards: Iterator[ShardSpec], names: Names) -> VideoResult:
        """Write the outputs. Raises `FailedError` when frames are missing, doubled or out of order."""
        targets = self._targets(names)
        with self._request.inputs.open(self._summary.input_index) as file:
            source = Source(
                file=file, name=self._summary.name, stream=self._outline.stream, copied=self._outline.copied
            )
            try:
                joined = join(targets, Fraction(*self._outline.base), self._placed(shards), source)
            except JoinError as error:
                raise self._unfit(str(error)) from error
        self._verify(joined)
        titles = (f"{self._summary.name}, styled", f"{self._summary.name}, original and result side by side")
        outputs = tuple(
            output_of(target.path, MEDIA_TYPES[self._outline.suffix], title, self._output_facts(joined))
            for target, title in zip(targets, titles, strict=False)
        )
        notes = (f"The sound of {self._summary.name} is damaged and ends early.",) if joined.copies_cut else ()
        return VideoResult(outputs=outputs, missing=self._missing, flicker=self._flicker, notes=notes)

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
        for shard in shards:
            work = work_of(shard)
            if not isinstance(work, VideoWork):
                raise self._unfit(f"shard {shard.shard_id} is not one of this video")
            try:
                part = read_part(self._part_bytes(shard))
            except ValueError as error:
                raise self._unfit(str(error)) from error
            self._show(shard, work, part)
            yield Placed(part=part, frames=shard.items, from_pts=work.start, to_pts=work.end)

    def _part_bytes(self, shard: ShardSpec) -> bytes:
        """A shard's part; with `passthrough` the original frames in place of one that failed."""
        verdict = self._request.parts.verdict(shard.shard_id)
        if verdict.outcome is Outcome.DONE:
            self._flicker += Flicker.from_json(verdict.metrics.get("flicker"))
            with self._request.parts.open(shard.shard_id) as file:
                return file.read()
        if self._options.on_missing is OnMissing.FAIL:
            raise shard_failed(shard, verdict)
        self._missing += shard.items
        return original_part(shard, self._options, self._request.inputs).data

    def _show(self, shard: ShardSpec, work: VideoWork, part: Part) -> None:
        """Offer the part's pictures to the report."""
        pictures = len(part.tracks) - 1
        for nth, frame in enumerate(picture_frames(shard.items)):
            item = shard.first_item + frame
            if self._gallery.wants(item):
                ticks = work.start + int(part.tracks[0].pts[frame]) // work.base[0]
                before, after = (bytes(part.packet(pictures, 2 * nth + side)) for side in (0, 1))
                self._gallery.add(
                    item, f"{self._summary.name} at {_clock(ticks * Fraction(*work.base))}", before, after
                )

    def _verify(self, joined: Joined) -> None:
        """Hold the joined video to the plan: every frame once, in order, at its own time."""
        if len(joined.pts) != self._summary.items:
            raise self._unfit(f"{len(joined.pts)} frames were joined where {self._summary.items} belong")
        if not self._missing and times_digest(joined.pts) != self._outline.times_sha256:
            raise self._unfit("the frames' times are not those of the source")

    def _output_facts(self, joined: Joined) -> dict[str, Json]:
        return {"frames": len(joined.pts), "copied_packets": joined.copied_packets}

    def _unfit(self, reason: str) -> FailedError:
        return FailedError.of(
            Code.INTERNAL,
            f"the parts of {self._summary.name!r} do not fit together: {reason}",
            input=self._summary.name,
        )


def shard_failed(shard: ShardSpec, verdict: Verdict) -> FailedError:
    """Why a run ends whose shard failed for good: the shard's own failure."""
    last = shard.first_item + shard.items - 1
    if verdict.failure is None:
        message = f"shard {shard.shard_id} (items {shard.first_item} to {last}) ended as {verdict.outcome}"
        return FailedError.of(Code.SHARD_FAILED, message, shard_id=shard.shard_id)
    action = f"{verdict.failure.action} Or set on_missing to passthrough to see the original frames there."
    return FailedError(verdict.failure.model_copy(update={"shard_id": shard.shard_id, "action": action}))


def _clock(seconds: Fraction) -> str:
    """A time as minutes and seconds, such as 1:02.5."""
    minutes, rest = divmod(max(float(seconds), 0.0), 60)
    return f"{int(minutes)}:{rest:04.1f}"
