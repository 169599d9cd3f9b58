"""What a thread does with its time, and results of a CPU."""

import hashlib
import threading
import time

import torch

from gpu_worker.runner import CpuRunner, busy_share


def test_arithmetic_counts_as_busy_also_when_the_cores_are_crowded():
    others = [threading.Thread(target=hashlib.sha256, args=(bytes(60_000_000),)) for _ in range(4)]
    for other in others:
        other.start()
    matrix = torch.rand(300, 300)
    share = busy_share(lambda: [matrix @ matrix for _ in range(60)] and None)
    for other in others:
        other.join()
    assert share > 0.5


def test_waiting_counts_as_idle():
    assert busy_share(lambda: time.sleep(0.5)) < 0.3


def test_a_cpu_gives_its_result_at_once():
    tensor, seconds = CpuRunner().run(lambda batch: batch * 2, torch.ones(2)).wait()
    assert tensor.tolist() == [2.0, 2.0]
    assert seconds >= 0
