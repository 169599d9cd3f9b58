"""Figures and names as a reader wants them."""

from collections.abc import Callable
from typing import Final

from dropscore import quantities
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


def rate(items: int, seconds: float) -> str:
    """Items a second, two or three digits that matter."""
    if seconds <= 0:
        return "–"
    return quantities.rate(items / seconds)


def moment(iso: str) -> str:
    """`2026-03-01 09:30:05 UTC` from ISO 8601."""
    return f"{iso[:10]} {iso[11:19]} UTC"


def file_name(name: str) -> str:
    """The last part of a blob's name: `20260301-093005-5f3a1c/clip.mp4` as `clip.mp4`."""
    return name.rpartition("/")[2] or name


def title(name: str) -> str:
    """`flicker_ratio` as `Flicker ratio`."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def fact(name: str, json: Json) -> tuple[str, str]:
    """A fact's name and value as a reader wants them; a unit at the end of the name goes to the value."""
    if name in SHARES and isinstance(json, int | float):
        return title(name), share(json)
    stem, _, unit = name.rpartition("_")
    if unit == "s" and stem.endswith("_per") and isinstance(json, int | float):
        return title(stem.removesuffix("_per")), f"{json:,.6g} a second"
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
        return quantities.count(json)
    return f"{json:.4g}" if isinstance(json, float) else json


def share(part: float) -> str:
    """A share from 0 to 1 in percent. Only all is `100 %`, and only nothing `0 %`."""
    if part in (0, 1):
        return f"{part:.0%}".replace("%", " %")
    return f"{min(max(100 * part, 0.01), 99.99):.4g} %"


SHARES: Final = frozenset({"coverage"})
"""Facts that are shares of a whole."""

UNITS: Final[dict[str, Callable[[float], str]]] = {
    "s": quantities.duration,
    "bytes": lambda number: quantities.size(int(number)),
    "hz": lambda number: f"{number:,.6g} Hz",
    "levels": lambda number: f"{number:.3g} of 255 levels",
    "px": lambda number: f"{number:,.6g} px",
    "mm": lambda number: f"{number:.4g} mm",
    "db": lambda number: f"{number:.2f} dB",
}
"""How a number reads whose name ends in one of these."""
