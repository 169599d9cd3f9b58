"""The serial loop that the worker is held against: decode, predict, encode, frame by frame, one file to the next."""

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Arguments: kind (device, network), clip, frames. Answers one line when ready to begin, one when done."""
    kind, clip, frames = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    import torch

    from benchmarks.worker_clip import GOP
    from benchmarks.worker_standins import OPTIONS, make
    from dropscore.contracts.plan import ShardSpec
    from dropscore.workloads.base import Item
    from dropscore.workloads.media.decode import decode_range
    from dropscore.workloads.media.part import VideoPart
    from dropscore.workloads.media.probe import probe_video
    from dropscore.workloads.media.ranges import cut
    from dropscore.workloads.style_transfer.work import VideoWork

    scorer = make(kind)
    with clip.open("rb") as file:
        facts = probe_video(file, clip.name)
        print(json.dumps("ready"), flush=True)
        started = time.perf_counter()
        done = 0
        for number, part in enumerate(cut(facts.timeline, GOP)):
            work = VideoWork.of(facts, part)
            shard = ShardSpec(shard_id=number, input_index=0, first_item=done, items=part.frames)
            scorer.begin(shard)
            sink = VideoPart(work.to_part(part.frames, OPTIONS))
            for frame in decode_range(file, clip.name, work.to_decode(part.frames), first_item=done):
                item = Item(done, frame.pixels)
                with torch.inference_mode():
                    result = scorer.predict(scorer.preprocess([item]))
                sink.add(frame.pts, frame.pixels, scorer.postprocess(result, [item])[0])
                done += 1
            Path(f"{clip}.{number}.part").write_bytes(sink.finish().data)
            if done >= frames:
                break
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "frames": done, "faults": resource.getrusage(0).ru_minflt}), flush=True)
    sys.stdin.readline()
