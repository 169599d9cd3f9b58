"""CPU-bound goals of the worker: the same job with the quarter-width style network on this processor.

P2   the job / the network alone on frames in memory, with the same settings, taken before and after. Its limit: what
     decoding and encoding take, one frame after the other, divided among the cores and added to the network. Processor
     time, of the worker alone, says how far from it we are on a machine that does other things too.
P3   the job / the serial loop
P4   memory: worker / serial loop, with the network as style transfer runs it (all else: as it was published)
P5   the network alone: as the worker runs it / plain torch defaults; page faults a frame
P10  the second job's first frame / a warm frame

`--frames N` (default 300) shortens the job for a first look; `--repeats N` (default 2) takes the best of N.
"""

import argparse
import os
import statistics
import sys

from benchmarks.goals import Goal, report
from benchmarks.worker_bench import WORKLOAD, Bench, Child, bench, worker
from benchmarks.worker_clip import GOP
from benchmarks.worker_device import Measured, run_job, serial
from dropscore.contracts.codec import decode
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.measured import ExecutionProfile
from dropscore.contracts.names import ContainerName
from gpu_worker.profiles import WITHOUT_PACKAGE

CORES = os.process_cpu_count() or 1
FLOOR_FRAMES = 16
MEMORY_FRAMES = 90


def main() -> int:
    """Measure all goals of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    frames: int = arguments.frames
    with bench() as storage:
        clip = storage.upload_clip(frames)
        floors: list[dict[str, float]] = []
        jobs: list[Measured] = []
        with worker(storage, "published") as child:
            warm = storage.upload_clip(30)
            run_job(storage, child, warm, "first")
            channels_last = profile(storage).channels_last
            floors.append(floor(child, channels_last=channels_last))
            for number in range(arguments.repeats):
                jobs.append(run_job(storage, child, clip, f"job-{number}"))
                floors.append(floor(child, channels_last=channels_last))
            around_ms: float = child.ask(f"around {GOP} {storage.clip(frames)}")
        best = min(jobs, key=lambda job: job.seconds)
        serial_s, _ = serial(storage, "published", frames)
        plain_s = plain(storage)
        lanes_s = min(found["frame_s"] for found in floors)
        goals = [
            network_goal(best, frames, floors, around_ms),
            Goal(id="P3", title="CPU-bound job / serial loop", value=best.seconds / serial_s, bar=1.0),
            memory_goal(storage),
            Goal(
                id="P5",
                title="network alone: as the worker runs it / torch defaults",
                value=lanes_s / plain_s,
                bar=0.75,
                note=f"{lanes_s * 1000:.0f} and {plain_s * 1000:.0f} ms",
            ),
            Goal(
                id="P5",
                title="page faults a frame",
                value=min(found["frame_faults"] for found in floors),
                bar=5000,
                unit="",
            ),
            first_frame(storage, jobs),
        ]
    return report(goals)


def network_goal(best: Measured, frames: int, floors: list[dict[str, float]], around_ms: float) -> Goal:
    """P2, and how near it can come."""
    alone_ms = [found["frame_s"] * 1000 for found in floors]
    alone_cpu_ms = min(found["frame_cpu_s"] for found in floors) * 1000
    limit = 1 + around_ms / CORES / min(alone_ms)
    return Goal(
        id="P2",
        title="CPU-bound job / the network alone",
        value=best.seconds / frames * 1000 / min(alone_ms),
        bar=1.10,
        note=f"limit {limit:.3f}; {best.seconds / frames * 1000:.0f} ms a frame, alone {min(alone_ms):.0f} "
        f"({', '.join(f'{ms:.0f}' for ms in alone_ms)}); processor time {best.cpu_s / frames * 1000:.0f} ms, "
        f"alone {alone_cpu_ms:.0f}, decoding and encoding {around_ms:.0f}",
    )


def memory_goal(storage: Bench) -> Goal:
    """P4 on a worker that has done nothing else."""
    clip = storage.upload_clip(MEMORY_FRAMES)
    with worker(storage, "network", WORKER_NAME="memory") as child:
        peak = run_job(storage, child, clip, "memory").peak_mib
    _, serial_mib = serial(storage, "network", MEMORY_FRAMES)
    return Goal(
        id="P4",
        title="peak memory, CPU-bound: worker / serial loop",
        value=peak / serial_mib,
        bar=1.25,
        note=f"{peak:.0f} and {serial_mib:.0f} MiB",
    )


def profile(storage: Bench) -> ExecutionProfile:
    """What the worker's probe chose."""
    (found,) = storage.blobs.list(BlobPath(ContainerName.MODELS, f"{WORKLOAD}/{WITHOUT_PACKAGE}/profiles/"))
    return decode(ExecutionProfile, storage.blobs.get(found.path).data)


def floor(child: Child, *, channels_last: bool) -> dict[str, float]:
    """Seconds, processor time and page faults a frame of the network alone, in the worker's process, by its lanes."""
    found: dict[str, float] = child.ask(f"floor {FLOOR_FRAMES} {CORES} {int(channels_last)}")
    return found


def plain(storage: Bench) -> float:
    """Seconds a frame of the network alone in a process with torch's own settings; the best of two."""
    times = []
    for _ in range(2):
        with Child(["worker_plain"], storage.environment(), storage.folder / "plain.log") as child:
            child.ask()
            times.append(float(child.ask(f"floor {FLOOR_FRAMES} 0 0")["frame_s"]))
    return min(times)


def first_frame(storage: Bench, jobs: list[Measured]) -> Goal:
    """P10 where the time is real arithmetic."""
    items = [verdict.items for verdict in storage.verdicts(jobs[0].job)]
    warm = statistics.median(item.predict_s for shard in items for item in shard)
    return Goal(
        id="P10",
        title="second job, CPU-bound: first frame / warm frame",
        value=items[0][0].predict_s / warm,
        bar=1.5,
        note=f"{items[0][0].predict_s * 1000:.0f} and {warm * 1000:.0f} ms",
    )


if __name__ == "__main__":
    sys.exit(main())
