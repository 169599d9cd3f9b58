"""Reading what containers have written. Each line in the file stands behind the time it was read."""

from pathlib import Path

from localcloud.emulation.keeper import LOG_LIMIT


def read_log(path: Path, *, tail: int | None, timestamps: bool) -> str:
    """The last lines of a log, at most 4 MB; all of them if `tail` is None, nothing if there is no log."""
    if not path.exists():
        return ""
    data = path.read_bytes()
    if len(data) > LOG_LIMIT:
        data = data[-LOG_LIMIT:].partition(b"\n")[2]
    lines = data.splitlines(keepends=True)
    if tail is not None:
        lines = lines[-tail:] if tail > 0 else []
    if not timestamps:
        lines = [line.partition(b" ")[2] for line in lines]
    return b"".join(lines).decode("utf-8", errors="replace")
