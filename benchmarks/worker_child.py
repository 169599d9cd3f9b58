"""A worker process as `python -m gpu_worker` starts it, with a stand-in scorer, that answers questions on stdin.

report           what it asked of storage, page faults, processor time, modules, models loaded
floor N T        seconds a frame of the network alone: N frames in memory, by T threads of one torch thread each
                 (T = 0: one thread, with as many torch threads as there are cores)
around N CLIP    milliseconds of processor time a frame of all but the network: N frames of a file, decoded and encoded
                 one after the other
"""

import json
import os
import resource
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from gpu_worker.main import prepare_process, run_worker


def main() -> None:
    """`kind` (device, network, real) and whether to go `bare` come as arguments."""
    prepare_process()
    kind, bare = sys.argv[1], "bare" in sys.argv[2:]
    from benchmarks.worker_bare import without_safety
    from dropscore.cloud.operations import Operations
    from dropscore.cloud.settings import WorkerSettings

    operations = Operations()
    if bare:
        without_safety()
    threading.Thread(target=answer, args=(kind, operations), daemon=True).start()
    code = run_worker(WorkerSettings.from_env(os.environ), operations=operations, find_workload=partial(_find, kind))
    os._exit(code)


def _find(kind: str, name: str) -> Any:
    from benchmarks.worker_standins import standing_in

    return standing_in(kind, name)


def answer(kind: str, operations: Any) -> None:
    for line in sys.stdin:
        question, *rest = line.split()
        match question:
            case "report":
                answer: Any = _report(operations)
            case "around":
                answer = _around(kind, *rest)
            case _:
                answer = _floor(kind, *map(int, rest))
        print(json.dumps(answer), flush=True)


def _report(operations: Any) -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    standins = sys.modules.get("benchmarks.worker_standins")
    return {
        "operations": operations.counts(),
        "faults": used.ru_minflt,
        "cpu_s": used.ru_utime + used.ru_stime,
        "modules": len(sys.modules),
        "loads": getattr(standins, "loads", 0),
    }


def _around(kind: str, frames: str, clip: str) -> float:
    from benchmarks.worker_serial import loop
    from benchmarks.worker_standins import make

    looped = loop(make(kind), Path(clip), int(frames))
    return looped.around_cpu_s / looped.frames * 1000


def _floor(kind: str, count: int, threads: int, channels_last: int) -> dict[str, Any]:
    import torch

    from benchmarks.worker_clip import frames
    from benchmarks.worker_standins import make
    from dropscore.workloads.base import Item

    scorer = make(kind, channels_last=bool(channels_last))
    batches = [scorer.preprocess([Item(index, pixels)]) for index, pixels in enumerate(frames(4))]

    def work(number: int) -> None:
        torch.set_num_threads(1 if threads else os.cpu_count() or 1)
        with torch.inference_mode():
            for index in range(number):
                scorer.predict(batches[index % len(batches)])

    def timed(number: int) -> tuple[float, float, int]:
        started, cpu_s, faults = time.perf_counter(), time.process_time(), _faults()
        workers = [threading.Thread(target=work, args=(number // max(1, threads),)) for _ in range(max(1, threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - started, time.process_time() - cpu_s, _faults() - faults

    timed(2 * max(1, threads))
    seconds, cpu_s, faults = timed(count)
    torch.set_num_threads(1)
    return {"frame_s": seconds / count, "frame_cpu_s": cpu_s / count, "frame_faults": faults / count}


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
