"""P12: what stitching costs, against a plain copy of the same bytes.

300 frames of 1280 x 720 with stereo sound are cut into 10 shards and scored by a stand-in that changes the colours.
Then the whole stitcher runs (parts checked and joined with the sound of the source, digests of the outputs made),
and in turn with it the part files are copied into one file.

    P12    without the comparison video: wall time / plain byte copy of the parts
    P12.1  with it: two videos out of one pass / plain byte copy of the parts
    P12.2  packets of the outputs that are not, byte for byte, packets of a part or of the source's sound
"""

import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.goals import Goal, report
from benchmarks.worker_clip import FPS, GOP, write_clip
from dropscore.contracts.plan import PlanIndex, ShardSpec
from dropscore.contracts.request import InputRef
from dropscore.contracts.verdict import Outcome, PieceResult
from dropscore.workloads.base import Binary, Pace, PlanRequest, Stitched, StitchRequest
from dropscore.workloads.style_transfer.frames import open_sink, open_source
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.plan import plan
from dropscore.workloads.style_transfer.stitch import stitch

FRAMES = 300
SHARDS = 10
ROUNDS = 7
SAMPLE_RATE = 48_000
PIECE_BYTES = 1 << 20


@dataclass(kw_only=True)
class Inputs:
    """One file on disk as the run's only input."""

    path: Path

    @property
    def refs(self) -> Sequence[InputRef]:
        return [InputRef(name=self.path.name, etag="1", size_bytes=self.path.stat().st_size)]

    def open(self, input_index: int) -> Binary:
        return io.BytesIO(self.path.read_bytes()) if input_index else self.path.open("rb")

    def open_named(self, name: str) -> Binary:
        raise NotImplementedError(name)


@dataclass(kw_only=True)
class Parts:
    """Parts as files of a folder, and a verdict for each."""

    folder: Path

    def path(self, shard_id: int) -> Path:
        return self.folder / f"{shard_id:06d}.mp4"

    def verdict(self, shard: ShardSpec) -> PieceResult:
        return PieceResult(first_item=shard.first_item, items=shard.items, outcome=Outcome.DONE)

    def open(self, shard: ShardSpec) -> Binary:
        return self.path(shard.shard_id).open("rb")


@dataclass(kw_only=True)
class Scored:
    """A run whose parts are made."""

    request: StitchRequest
    parts: Parts

    @property
    def part_files(self) -> list[Path]:
        return [self.parts.path(shard_id) for shard_id in range(SHARDS)]


def with_sound(silent: Path, path: Path) -> None:
    """Add stereo AAC to a clip."""
    with av.open(silent) as source, av.open(path, "w") as out:
        picture = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets:
            packet.stream = picture
        for packet in sorted([*packets, *_tone(sound)], key=lambda one: float(one.dts * one.time_base)):
            out.mux(packet)


def _tone(sound: Any) -> Iterator[Any]:
    samples = FRAMES * SAMPLE_RATE // FPS
    wave = (np.sin(np.arange(samples) * 2 * np.pi * 440 / SAMPLE_RATE) * 9000).astype(np.int16)
    for start in range(0, samples - 1024, 1024):
        block = np.repeat(wave[start : start + 1024], 2)[None, :]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield from sound.encode(frame)
    yield from sound.encode(None)


def score(clip: Path, folder: Path, *, side_by_side: bool) -> Scored:
    """Plan the clip as 10 shards and make their parts."""
    options = StyleTransferOptions(side_by_side=side_by_side)
    inputs = Inputs(path=clip)
    pace = Pace(setup_s=1e3, megapixel_s=1.0, lanes=1, measured=True)
    target_s = GOP * 1280 * 720 / 1e6 * 1.001
    made = plan(PlanRequest(run_id="bench", options=options, inputs=inputs, pace=pace, target_shard_s=target_s))
    assert len(made.shards) == SHARDS, made.reason
    parts = Parts(folder=folder)
    folder.mkdir()
    for shard in made.shards:
        parts.path(shard.shard_id).write_bytes(_part(shard, options, inputs))
    index = PlanIndex(
        run_id="bench",
        shards=SHARDS,
        items=FRAMES,
        pages=1,
        inputs=made.inputs,
        facts=dict(made.facts),
        shard_items=made.shard_items,
        reason=made.reason,
    )
    output = folder / "output"
    output.mkdir()
    request = StitchRequest(
        run_id="bench",
        options=options,
        inputs=inputs,
        plan=index,
        shards=lambda: iter(made.shards),
        parts=parts,
        folder=output,
    )
    return Scored(request=request, parts=parts)


def _part(shard: ShardSpec, options: StyleTransferOptions, inputs: Inputs) -> bytes:
    sink = open_sink(shard, options)
    for item in open_source(shard, options, inputs, threads=2):
        sink.write(item, item.pixels[:, :, ::-1].copy())
    return sink.close().data


def copied(scored: Scored) -> None:
    """The floor: the bytes of all parts into one file."""
    with (scored.request.folder / "copy").open("wb") as out:
        for path in scored.part_files:
            with path.open("rb") as part:
                shutil.copyfileobj(part, out, PIECE_BYTES)


def timed(action: Callable[[], Any]) -> float:
    """Seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def ratio(scored: Scored) -> tuple[float, float]:
    """Best stitch and best copy, in seconds, of several in turn."""
    stitches, copies = [], []
    for _ in range(ROUNDS):
        stitches.append(timed(lambda: stitch(scored.request)))
        copies.append(timed(lambda: copied(scored)))
    return min(stitches), min(copies)


def encoded_again(scored: Scored, stitched: Stitched, clip: Path) -> int:
    """Packets of the outputs that stand neither in a part nor in the sound of the source."""
    known = {bytes(packet) for path in (*scored.part_files, clip) for packet in _packets(path)}
    outputs = [scored.request.folder / output.name for output in stitched.outputs]
    return sum(bytes(packet) not in known for path in outputs for packet in _packets(path))


def _packets(path: Path) -> Iterator[Any]:
    with av.open(path) as container:
        yield from (packet for packet in container.demux() if packet.size)


def main() -> int:
    """Measure, print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clip(folder / "silent.mp4", FRAMES)
        with_sound(folder / "silent.mp4", folder / "clip.mp4")
        goals = []
        for id_, title, side_by_side in (
            ("P12", "stitch: wall / plain byte copy of the parts", False),
            ("P12.1", "the same with the comparison video", True),
        ):
            scored = score(folder / "clip.mp4", folder / id_, side_by_side=side_by_side)
            stitch_s, copy_s = ratio(scored)
            size = sum(path.stat().st_size for path in scored.part_files) / 1e6
            note = f"{stitch_s * 1e3:.1f} ms against {copy_s * 1e3:.1f} ms for {size:.1f} MB; stretch goal 5"
            goals.append(Goal(id=id_, title=title, value=stitch_s / copy_s, bar=13, note=note))
        again = encoded_again(scored, stitch(scored.request), folder / "clip.mp4")
        goals.append(Goal(id="P12.2", title="packets encoded again", value=again, bar=0, unit="packets"))
        return report(goals)


if __name__ == "__main__":
    sys.exit(main())
