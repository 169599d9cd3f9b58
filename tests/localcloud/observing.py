"""What the local cloud's tests look at from outside."""

from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process is alive; one that has ended but is not yet waited for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
