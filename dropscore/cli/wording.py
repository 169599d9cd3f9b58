"""Figures and words of a run as the command line says them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from dropscore.contracts.run import RunStatus

STYLES: Final = {
    RunStatus.SUCCEEDED: ("✓", "bold green"),
    RunStatus.SUCCEEDED_WITH_GAPS: ("◐", "bold yellow"),
    RunStatus.FAILED: ("✕", "bold red"),
    RunStatus.REJECTED: ("✕", "bold red"),
    RunStatus.CANCELLED: ("■", "bold"),
}
"""Mark and style of the endings; what is under way is cyan."""


def status(value: RunStatus) -> Text:
    """A status with its mark."""
    mark, style = STYLES.get(value, ("●", "cyan"))
    return Text(f"{mark} {value.value}", style=style)


def duration(seconds: float) -> str:
    """`0.4 s`, `12.3 s`, `4 min 05 s`, `2 h 07 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def items(done: int, total: int) -> str:
    """`84/120 items`."""
    return f"{done:,}/{total:,} items"


def ranges(numbers: Sequence[int]) -> str:
    """`3, 7, 40 to 47` of numbers in their order."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"{one[0]} to {one[-1]}" if len(one) > 1 else str(one[0]) for one in found)


def moment(iso: str) -> str:
    """`2026-03-01 09:30:05` of ISO 8601 in UTC."""
    return f"{iso[:10]} {iso[11:19]}"


def age(then: str, now: str) -> str:
    """`12 s ago`, `3 min ago`, `2 h ago`, `4 days ago`."""
    seconds = max(0, int((datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds()))
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86_400} days ago"


def size(size_bytes: int) -> str:
    """`812 B`, `4.2 kB`, `1.3 MB`."""
    amount, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{size_bytes} B" if unit == "B" else f"{amount:.1f} {unit}"
