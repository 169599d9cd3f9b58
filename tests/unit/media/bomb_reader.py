"""A process that reads files as planner and worker do: a path on each line of stdin, a JSON line for each answer."""

import json
import sys
import time
from pathlib import Path

from dropscore.contracts.errors import FailedError
from dropscore.workloads.media.images import probe_picture, read_picture
from dropscore.workloads.media.opening import sniff_file
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.media.sniffing import Kind


def memory_mb(field: str) -> int:
    """A figure of /proc/self/status."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) // 1024


def read(path: Path) -> str:
    """The code under which a file is refused, or that it was read."""
    try:
        with path.open("rb") as file:
            if sniff_file(file).kind is Kind.VIDEO:
                probe_video(file, path.name)
            else:
                probe_picture(file, path.name)
                read_picture(file, path.name)
    except FailedError as error:
        return error.failure.code.value
    return "read"


for line in sys.stdin:
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, began = memory_mb("VmRSS"), time.monotonic()
    answer = read(Path(line.strip()))
    took = time.monotonic() - began
    print(json.dumps({"answer": answer, "took_s": took, "grown_mb": memory_mb("VmHWM") - before}), flush=True)
