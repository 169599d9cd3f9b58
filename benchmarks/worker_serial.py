"""The serial loop that the worker is held against: decode, predict, encode, frame by frame, one file to the next."""

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped:
    """What a loop over `frames` frames took: seconds, and of those the processor time of all but predicting."""

    frames: int
    seconds: float
    around_cpu_s: float


def main() -> None:
    """Arguments: kind (device, network), clip, frames. Answers one line when ready to begin, one when done."""
    kind, clip, frames = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    from benchmarks.worker_standins import make

    scorer = make(kind)
    print(json.dumps("ready"), flush=True)
    looped = loop(scorer, clip, frames)
    print(json.dumps(asdict(looped) | {"faults": resource.getrusage(0).ru_minflt}), flush=True)
    sys.stdin.readline()


def loop(scorer: Any, clip: Path, frames: int) -> Looped:
    """Score a clip group by group, up to the one in which `frames` is reached."""
    import torch

    from benchmarks.worker_clip import GOP
    from benchmarks.worker_standins import OPTIONS
    from dropscore.contracts.plan import ShardSpec
    from dropscore.workloads.base import Item
    from dropscore.workloads.media.decode import decode_range
    from dropscore.workloads.media.part import VideoPart
    from dropscore.workloads.media.probe import probe_video
    from dropscore.workloads.media.ranges import cut
    from dropscore.workloads.style_transfer.work import VideoWork

    with clip.open("rb") as file:
        facts = probe_video(file, clip.name)
        started, cpu_s, done = time.perf_counter(), -time.thread_time(), 0
        for number, part in enumerate(cut(facts.timeline, GOP)):
            work = VideoWork.of(facts, part)
            shard = ShardSpec(shard_id=number, input_index=0, first_item=done, items=part.frames)
            scorer.begin(shard)
            sink = VideoPart(work.to_part(part.frames, OPTIONS))
            for frame in decode_range(file, clip.name, work.to_decode(part.frames), first_item=done):
                item = Item(done, frame.pixels)
                batch = scorer.preprocess([item])
                cpu_s += time.thread_time()
                with torch.inference_mode():
                    result = scorer.predict(batch)
                cpu_s -= time.thread_time()
                sink.add(frame.pts, frame.pixels, scorer.postprocess(result, [item])[0])
                done += 1
            Path(f"{clip}.{number}.part").write_bytes(sink.finish().data)
            if done >= frames:
                break
        cpu_s += time.thread_time()
    return Looped(frames=done, seconds=time.perf_counter() - started, around_cpu_s=cpu_s)
