"""The three verbs of style transfer over files in memory, with a stand-in for the network."""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Failure
from dropscore.contracts.plan import MAX_MESSAGE_BYTES, Piece, PlanIndex, ShardMessage, ShardSpec
from dropscore.contracts.request import InputRef
from dropscore.contracts.verdict import Outcome, PartRef, PieceResult
from dropscore.workloads.base import Pace, Plan, PlanRequest, Stitched, StitchRequest
from dropscore.workloads.style_transfer.frames import open_sink, open_source
from dropscore.workloads.style_transfer.narrow import narrow
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.plan import plan
from dropscore.workloads.style_transfer.stitch import stitch
from gpu_worker.division import guilty_in, pieces_for

RUN_ID = "test-run"


def same(pixels: np.ndarray) -> np.ndarray:
    """The stand-in that changes nothing."""
    return pixels


class Inputs:
    """Input files in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self.refs = [InputRef(name=name, etag="1", size_bytes=len(data)) for name, data in files.items()]
        self.opened = 0

    def open(self, input_index: int) -> io.BytesIO:
        self.opened += 1
        return io.BytesIO(self._files[self.refs[input_index].name])

    def open_named(self, name: str) -> io.BytesIO:
        return io.BytesIO(self._files[name])


@dataclass
class Parts:
    """Verdicts and parts in memory, by first item."""

    verdicts: dict[int, PieceResult] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)

    def verdict(self, shard: ShardSpec) -> PieceResult:
        return self.verdicts[shard.first_item]

    def open(self, shard: ShardSpec) -> io.BytesIO:
        return io.BytesIO(self.data[shard.first_item])


@dataclass
class Studio:
    """Runs over files in memory. What the last run made stays here to be looked at."""

    folder: Path
    inputs: Inputs | None = None
    plan: Plan | None = None
    parts: Parts = field(default_factory=Parts)
    scored: list[ShardSpec] = field(default_factory=list)
    """The plan's shards as they were scored: those that were divided as their pieces."""

    def make_plan(self, files: Mapping[str, bytes], *, items: int = 1000, **options: object) -> Plan:
        """Plan with shards of about `items` items."""
        self.inputs = Inputs(files)
        self.options = decode(StyleTransferOptions, options)
        pace = Pace(setup_s=1e3, megapixel_s=1.0, lanes=1, measured=True)
        self.plan = plan(
            PlanRequest(run_id=RUN_ID, options=self.options, inputs=self.inputs, pace=pace, target_shard_s=1e9)
        )
        if self.plan.shards:
            mean = sum(
                shard.items * _pixels(shard.work, self.plan.inputs[0].facts) for shard in self.plan.shards
            ) / sum(shard.items for shard in self.plan.shards)
            self.plan = plan(
                PlanRequest(
                    run_id=RUN_ID,
                    options=self.options,
                    inputs=self.inputs,
                    pace=pace,
                    target_shard_s=items * mean / 1e6 * 1.0001,
                )
            )
        return self.plan

    def score(self, network: Callable[[np.ndarray], np.ndarray] = same, *, failed: Mapping[int, Failure] = {}) -> None:
        """Score every shard, dividing those with bad items; those in `failed` get a verdict with their failure."""
        self.parts, self.scored = Parts(), []
        for shard in self.plan.shards:
            assert len(encode_bytes(ShardMessage(run_id="r" * 48, shard=shard))) <= MAX_MESSAGE_BYTES
            if shard.shard_id in failed:
                self._settle(shard, Outcome.FAILED, failure=failed[shard.shard_id])
            else:
                self._score_pieces(shard, Piece.of(shard), network)

    def _score_pieces(self, shard: ShardSpec, piece: Piece, network: Callable[[np.ndarray], np.ndarray]) -> None:
        """What workers do of a shard, one after the other."""
        spec = shard if piece == Piece.of(shard) else narrow(shard, piece, self.options, self.inputs)
        try:
            self._score(spec, network)
        except FailedError as error:
            pieces = pieces_for(piece, error.failure, None)
            for one in pieces:
                if one == guilty_in(piece, error.failure):
                    self._settle(narrow(shard, one, self.options, self.inputs), Outcome.FAILED, failure=error.failure)
                else:
                    self._score_pieces(shard, one, network)
            if not pieces:
                self._settle(spec, Outcome.FAILED, failure=error.failure)

    def _score(self, shard: ShardSpec, network: Callable[[np.ndarray], np.ndarray]) -> None:
        sink = open_sink(shard, self.options)
        try:
            for item in open_source(shard, self.options, self.inputs):
                sink.write(item, network(item.pixels))
        except FailedError:
            sink.abort()
            raise
        part = sink.close()
        self.parts.data[shard.first_item] = part.data
        digest = hashlib.sha256(part.data).hexdigest()
        reference = PartRef(path="p", sha256=digest, size_bytes=len(part.data), media_type=part.media_type)
        self._settle(shard, Outcome.DONE, part=reference, metrics=dict(part.metrics))

    def _settle(self, shard: ShardSpec, outcome: Outcome, **more: Any) -> None:
        result = PieceResult(first_item=shard.first_item, items=shard.items, outcome=outcome, **more)
        self.parts.verdicts[shard.first_item] = result
        self.scored.append(shard)

    def stitch(self) -> Stitched:
        """Stitch what was scored."""
        return self.stitch_shards(self.scored)

    def stitch_shards(self, shards: Sequence[ShardSpec]) -> Stitched:
        """Stitch what was scored, from another list of shards than the plan's."""
        made = self.plan
        index = PlanIndex(
            run_id=RUN_ID,
            shards=len(made.shards),
            items=sum(shard.items for shard in made.shards),
            pages=1,
            inputs=made.inputs,
            refused=made.refused,
            facts=dict(made.facts),
            shard_items=made.shard_items,
            reason=made.reason,
        )
        request = StitchRequest(
            run_id=RUN_ID,
            options=self.options,
            inputs=self.inputs,
            plan=index,
            shards=lambda: iter(shards),
            parts=self.parts,
            folder=self.folder,
        )
        return stitch(request)

    def run(
        self,
        files: Mapping[str, bytes],
        network: Callable[[np.ndarray], np.ndarray] = same,
        *,
        items: int = 1000,
        **options: object,
    ) -> Stitched:
        """Plan, score and stitch."""
        self.make_plan(files, items=items, **options)
        self.score(network)
        return self.stitch()

    def output(self, name: str) -> bytes:
        """The bytes of an output."""
        return (self.folder / name).read_bytes()


def _pixels(work: Mapping[str, object], facts: Mapping[str, int]) -> int:
    if work["kind"] == "video":
        width, height = work["size"]
        return width * height
    return facts["width_px"] * facts["height_px"]
