"""CPU-bound goals of the worker: the same job with the quarter-width style network on this processor.

P2   the job / the network alone on frames in memory, with the same settings, taken before and after
P3   the job / the serial loop
P4   memory: worker / serial loop
P5   the network alone: as the worker runs it / plain torch defaults; page faults a frame
P10  the second job's first frame / a warm frame

`--frames N` (default 300) shortens the job for a first look; `--repeats N` (default 2) takes the best of N.
"""

import argparse
import statistics
import sys

from benchmarks.goals import Goal, report
from benchmarks.worker_bench import WORKLOAD, Bench, Child, bench, worker
from benchmarks.worker_device import Measured, run_job, serial
from dropscore.contracts.codec import decode
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.measured import ExecutionProfile
from dropscore.contracts.names import ContainerName
from gpu_worker.profiles import WITHOUT_PACKAGE

FLOOR_FRAMES = 16


def main() -> int:
    """Measure all goals of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    frames: int = arguments.frames
    with bench() as storage:
        clip = storage.upload_clip(frames)
        floors: list[tuple[float, float]] = []
        jobs: list[Measured] = []
        with worker(storage, "network") as child:
            warm = storage.upload_clip(30)
            peak = run_job(storage, child, warm, "first").peak_mib
            channels_last = profile(storage).channels_last
            floors.append(floor(child, channels_last=channels_last))
            for number in range(arguments.repeats):
                jobs.append(run_job(storage, child, clip, f"job-{number}"))
                floors.append(floor(child, channels_last=channels_last))
        best = min(jobs, key=lambda job: job.seconds)
        serial_s, serial_mib = serial(storage, "network", frames)
        plain_s = plain(storage)
        lanes_s, faults = min(floors)
        goals = [
            Goal(
                id="P2",
                title="CPU-bound job / the network alone",
                value=best.seconds / (frames * lanes_s),
                bar=1.10,
                note=f"{best.seconds / frames * 1000:.0f} ms a frame, alone {lanes_s * 1000:.0f}; "
                f"all alone: {', '.join(f'{seconds * 1000:.0f}' for seconds, _ in floors)}",
            ),
            Goal(id="P3", title="CPU-bound job / serial loop", value=best.seconds / serial_s, bar=1.0),
            Goal(
                id="P4",
                title="peak memory, CPU-bound: worker / serial loop",
                value=max(peak, jobs[0].peak_mib) / serial_mib,
                bar=1.25,
                note=f"{jobs[0].peak_mib:.0f} and {serial_mib:.0f} MiB",
            ),
            Goal(
                id="P5",
                title="network alone: as the worker runs it / torch defaults",
                value=lanes_s / plain_s,
                bar=0.75,
                note=f"{lanes_s * 1000:.0f} and {plain_s * 1000:.0f} ms",
            ),
            Goal(id="P5", title="page faults a frame", value=faults, bar=5000, unit=""),
            first_frame(storage, jobs),
        ]
    return report(goals)


def profile(storage: Bench) -> ExecutionProfile:
    """What the worker's probe chose."""
    (found,) = storage.blobs.list(BlobPath(ContainerName.MODELS, f"{WORKLOAD}/{WITHOUT_PACKAGE}/profiles/"))
    return decode(ExecutionProfile, storage.blobs.get(found.path).data)


def floor(child: Child, *, channels_last: bool) -> tuple[float, float]:
    """Seconds and page faults a frame of the network alone, in the worker's process and with its lanes."""
    found = child.ask(f"floor {FLOOR_FRAMES} 2 {int(channels_last)}")
    return found["frame_s"], found["frame_faults"]


def plain(storage: Bench) -> float:
    """Seconds a frame of the network alone in a process with torch's own settings; the best of two."""
    times = []
    for _ in range(2):
        with Child(["worker_plain"], storage.environment(), storage.folder / "plain.log") as child:
            child.ask()
            times.append(child.ask(f"floor {FLOOR_FRAMES} 0 0")["frame_s"])
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
