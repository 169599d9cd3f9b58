"""Memory of large tensors is kept, also by threads (measured in a process of its own: the setting cannot be undone)."""

import platform
import subprocess
import sys

import pytest

MEASURE = """
import resource, sys, threading
import numpy as np
from gpu_worker.allocator import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()

def work(times):
    for _ in range(times):
        for size in (40_000_000, 50_000_000):
            np.ones(size, dtype=np.uint8)

def on_threads(times):
    threads = [threading.Thread(target=work, args=(times,)) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

on_threads(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
on_threads(5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    return int(subprocess.run([sys.executable, "-c", MEASURE, mode], capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_large_buffers_of_threads_are_reused_without_page_faults():
    assert faults("keep") < faults("default") / 3
