"""Quantities as people read them: one way for the page, the report and the command line."""


def duration(seconds: float) -> str:
    """`4.2 ms`, `420 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`, `3 days 4 h` of seconds, 0 or more."""
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} days {hours % 24} h"


def milliseconds(seconds: float) -> str:
    """Milliseconds as a bare number with one decimal, for table columns."""
    return f"{seconds * 1000:.1f}"


def size(size_bytes: int) -> str:
    """`812 B`, `4.2 kB`, `1.3 MB`: powers of 1,000."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def count(number: int) -> str:
    """With a comma for each thousand."""
    return f"{number:,}"


def counted(number: int, one: str) -> str:
    """`1 item`, `2 items`, `1,200 items`."""
    return f"{count(number)} {one}{'' if number == 1 else 's'}"


def rate(per_second: float) -> str:
    """A rate, two or three digits that matter."""
    if per_second >= 99.5:
        return f"{per_second:,.0f}"
    return f"{per_second:.1f}" if per_second >= 9.95 else f"{per_second:.2f}"
