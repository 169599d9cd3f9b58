"""The table of a long series, as Markdown."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import dropscore
from harness.figures import Result, median, quantile

HEADER = (
    "| kind | seeds | right | strikes that hit | executed twice | items scored again | recovery p50 / p95 / most | "
    "run p50 / p95 | cleaned up p95 |"
)


def row(kind: str, seeds: str, results: Sequence[Result]) -> str:
    """One line for one kind."""
    recovered = sorted(chain.from_iterable(result.recoveries_s for result in results))
    walls = [result.wall_s for result in results if result.wall_s == result.wall_s]
    figures = (
        kind,
        seeds,
        f"{sum(result.passed for result in results)} of {len(results)}",
        str(sum(result.hits for result in results)),
        str(sum(result.executed_twice for result in results)),
        str(sum(result.scored_again for result in results)),
        _spread(recovered),
        f"{median(walls):.1f} / {quantile(walls, 0.95):.1f} s",
        f"{quantile([result.quiet_s for result in results], 0.95):.1f} s",
    )
    return f"| {' | '.join(figures)} |"


def table(rows: Sequence[str]) -> str:
    """The whole table."""
    return "\n".join([HEADER, "|" + "---|" * HEADER.count(" | ") + "---|", *rows])


def put_into(document: str, rows: Sequence[str]) -> str:
    """A document with its rows of these kinds replaced, and the line that says where they come from."""
    lines = document.splitlines()
    for fresh in rows:
        beginning = fresh[: fresh.index("|", 1) + 1]
        places = [place for place, line in enumerate(lines) if line.startswith(beginning)]
        for place in places:
            lines[place] = fresh
    return "\n".join([f"Machine: {machine()}." if line.startswith("Machine: ") else line for line in lines]) + "\n"


def machine() -> str:
    """Where and when, in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return (
        f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, dropscore {dropscore.__version__}; "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{median(values):.1f} / {quantile(values, 0.95):.1f} / {values[-1]:.1f} s ({len(values)} shards)"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
