"""The published network alone in a process that sets nothing: torch's own threads, the C library's own allocator."""

import json

from benchmarks.worker_child import answer


def main() -> None:
    """Answer questions as a worker does, without being one."""
    print(json.dumps("ready"), flush=True)
    answer("published", None)
