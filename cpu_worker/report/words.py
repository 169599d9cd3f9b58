"""Figures and names as a reader wants them."""

from collections.abc import Callable
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.run import RunStatus

STEP_TITLES: Final = {
    "fetch": "Fetch",
    "decode": "Decode",
    "preprocess": "Prepare",
    "predict": "Predict",
    "postprocess": "Finish",
    "encode": "Encode",
}

STATUS_TITLES: Final = {
    RunStatus.SUCCEEDED: "succeeded",
    RunStatus.SUCCEEDED_WITH_GAPS: "succeeded with gaps",
    RunStatus.FAILED: "failed",
}

STATUS_MARKS: Final = {
    RunStatus.SUCCEEDED: "✓",
    RunStatus.SUCCEEDED_WITH_GAPS: "◐",
    RunStatus.FAILED: "✕",
}
"""A shape beside the word, so that colour is not the only cue."""


def duration(seconds: float) -> str:
    """`4.2 ms`, `420 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`."""
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
    return f"{minutes // 60} h {minutes % 60:02d} min"


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


def rate(items: int, seconds: float) -> str:
    """Items a second, two or three digits that matter."""
    if seconds <= 0:
        return "–"
    value = items / seconds
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def moment(iso: str) -> str:
    """`2026-03-01 09:30:05 UTC` from ISO 8601."""
    return f"{iso[:10]} {iso[11:19]} UTC"


def title(name: str) -> str:
    """`flicker_ratio` as `Flicker ratio`."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def fact(name: str, json: Json) -> tuple[str, str]:
    """A fact's name and value as a reader wants them; a unit at the end of the name goes to the value."""
    stem, _, unit = name.rpartition("_")
    if stem and isinstance(json, int | float) and not isinstance(json, bool) and unit in UNITS:
        return title(stem), UNITS[unit](json)
    return title(name), value(json)


def value(json: Json) -> str:
    """Any JSON value in one line of plain text."""
    if isinstance(json, list):
        return ", ".join(value(entry) for entry in json)
    if isinstance(json, dict):
        return ", ".join(f"{title(key).lower()} {value(entry)}" for key, entry in json.items())
    return _scalar(json)


def _scalar(json: str | float | bool | None) -> str:
    if json is None:
        return "–"
    if isinstance(json, bool):
        return "yes" if json else "no"
    if isinstance(json, int):
        return count(json)
    return f"{json:.4g}" if isinstance(json, float) else json


UNITS: Final[dict[str, Callable[[float], str]]] = {
    "s": duration,
    "bytes": lambda number: size(int(number)),
    "hz": lambda number: f"{number:,.6g} Hz",
    "levels": lambda number: f"{number:.3g} of 255 levels",
    "px": lambda number: f"{number:,.6g} px",
    "mm": lambda number: f"{number:.4g} mm",
    "db": lambda number: f"{number:.2f} dB",
}
"""How a number reads whose name ends in one of these."""
