"""Figures and names as a reader of the page wants them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dropscore import quantities
from dropscore.contracts.base import Json
from dropscore.contracts.http.items import ShardState
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import ItemTiming

MARKS: Final = {
    RunStatus.PENDING: "○",
    RunStatus.PLANNING: "◔",
    RunStatus.PROVISIONING: "◑",
    RunStatus.SCORING: "◕",
    RunStatus.STITCHING: "◉",
    RunStatus.SUCCEEDED: "✓",
    RunStatus.SUCCEEDED_WITH_GAPS: "◐",
    RunStatus.FAILED: "✕",
    RunStatus.REJECTED: "⊘",
    RunStatus.CANCELLED: "■",
}
"""A shape beside the word, so that colour is not the only cue."""
SUSPENDED_MARK: Final = "‖"

SHARD_TITLES: Final = {
    ShardState.WAITING: "waiting",
    ShardState.WORKING: "being scored",
    ShardState.DONE: "done",
    ShardState.RETRIED: "done after a retry",
    ShardState.SPLIT: "divided, good items done",
    ShardState.FAILED: "failed",
}
"""What each letter of a grid means."""

LONGEST_NAME: Final = 20
"""Characters of a worker's name that are shown."""

STEPS: Final = {
    "fetch": "Fetch",
    "decode": "Decode",
    "preprocess": "Prepare",
    "predict": "Predict",
    "postprocess": "Finish",
    "encode": "Encode",
}
"""Steps of an item, in their order."""


def percent(done: int, total: int) -> str:
    """`45 %`; only all is `100 %`."""
    share = 100 * done / total if total else 0.0
    return f"{99 if done < total and share > 99 else share:.0f} %"


def thousandths(done: int, total: int) -> int:
    """Done of total as a width of 0 to 1,000."""
    return min(1000, round(1000 * done / total)) if total else 0


def moment(iso: str) -> str:
    """`2026-03-01 09:30:05` of ISO 8601 in UTC."""
    return f"{iso[:10]} {iso[11:19]}"


def between(earlier: str, later: str) -> float:
    """Seconds from one time to another, never negative."""
    span = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    return max(0.0, span.total_seconds())


def age(then: str, now: str) -> str:
    """`12 s ago`, `3 min ago`, `2 h ago`, `4 days ago`."""
    seconds = int(between(then, now))
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86_400} days ago"


def title(name: str) -> str:
    """`succeeded_with_gaps` as `succeeded with gaps`."""
    return name.replace("_", " ")


def file_name(name: str) -> str:
    """The last part of a blob's name."""
    return name.rpartition("/")[2] or name


def value(json: Json) -> str:
    """Any JSON value in one line of plain text."""
    if isinstance(json, list):
        return ", ".join(value(entry) for entry in json)
    if isinstance(json, Mapping):
        return ", ".join(f"{title(key)} {value(entry)}" for key, entry in json.items())
    if json is None:
        return "–"
    if isinstance(json, bool):
        return "yes" if json else "no"
    if isinstance(json, int):
        return quantities.count(json)
    return f"{json:.4g}" if isinstance(json, float) else json


def fields(told: Mapping[str, Json]) -> str:
    """The fields of a log line in one line of text, without the worker, who is the line's actor."""
    return " ".join(f"{name}={value(entry)}" for name, entry in told.items() if name != "worker")


def short(name: str) -> str:
    """The end of a long name of a worker, which is what tells it apart."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def money(amount: float, currency: str | None) -> str:
    """`0.0123 USD`: more digits below one."""
    figure = f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"
    return f"{figure} {currency}" if currency else figure


def step_seconds(timing: ItemTiming) -> tuple[float, ...]:
    """Seconds of each of `STEPS`."""
    return tuple(float(getattr(timing, f"{step}_s")) for step in STEPS)


def total_seconds(timing: ItemTiming) -> float:
    """Seconds spent on an item."""
    return sum(step_seconds(timing))
