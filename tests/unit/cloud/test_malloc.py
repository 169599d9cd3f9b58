"""What glibc is told holds for threads that come later (in a process of its own: it cannot be undone)."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ALLOCATE = """
import ctypes, sys, threading
from dropscore.cloud.malloc import FRUGAL, tell_malloc
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
if sys.argv[1] == "frugal":
    assert tell_malloc(FRUGAL)

together = threading.Barrier(8)

def work():
    together.wait()
    kept = [bytes(1000) for _ in range(1000)]
    together.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def arenas(mode: str, file: Path) -> int:
    subprocess.run([sys.executable, "-c", ALLOCATE, mode, str(file)], check=True)
    return file.read_text().count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_threads_share_one_arena(tmp_path: Path):
    assert arenas("frugal", tmp_path / "info.xml") == 1
    assert arenas("default", tmp_path / "info.xml") > 1
