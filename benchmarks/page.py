"""The page of figures, `docs/benchmarks.md`: on what they were measured, every goal's line, how to repeat it."""

import ast
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.goals import Goal, machine

HERE = Path(__file__).parent
INTRODUCTION = """\
Written by `python -m benchmarks --markdown docs/benchmarks.md`. Each figure is a ratio of two things that one script \
timed in one run, or a count, so that it holds on other machines too; a script fails when its bar is missed.
"""


def scripts() -> list[str]:
    """Names of the scripts that measure and need no GPU, by name."""
    found = (path for path in HERE.glob("*.py") if 'if __name__ == "__main__":' in path.read_text("utf-8").split("\n"))
    return sorted(path.stem for path in found if path.stem != "__main__")


def write_page(path: Path, goals: Sequence[Goal], failed: Sequence[str]) -> None:
    """Write the page. `failed` are scripts that ended with an error or missed a bar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((*_head(), *_table(goals), *_failures(failed), *_repeat())) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """What the figures depend on besides the machine."""
    npm = json.loads((HERE.parent / "localcloud" / "azurite_npm" / "package.json").read_text("utf-8"))
    return {
        "dropscore": version("dropscore"),
        "Python": platform.python_version(),
        "torch": version("torch"),
        "PyAV": version("av"),
        "Azurite": npm["dependencies"]["azurite"],
    }


def _head() -> tuple[str, ...]:
    said = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        "# Benchmarks",
        "",
        INTRODUCTION,
        f"- Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}",
        f"- With {said}",
        "",
    )


def _table(goals: Sequence[Goal]) -> tuple[str, ...]:
    lines = (goal.line for goal in goals)
    return ("| goal | what | measured | bar | verdict | note |", "|---|---|---|---|---|---|", *lines, "")


def _failures(failed: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"`benchmarks/{name}.py` ended with an error or missed a bar.\n" for name in failed)


def _repeat() -> tuple[str, ...]:
    """How to run each script, those for a GPU included, and what it says of itself."""
    gpu = sorted(path.stem for path in (HERE / "gpu").glob("*.py") if path.stem != "__init__")
    modules = [*scripts(), *(f"gpu.{name}" for name in gpu)]
    rows = (f"| `python -m benchmarks.{module}` | {_purpose(module)} |" for module in modules)
    return (
        "## Measure again",
        "",
        "`make bench` runs all that need no GPU, one after the other, on a machine that does nothing else meanwhile.",
        "",
        "| command | what it measures |",
        "|---|---|",
        *rows,
    )


def _purpose(module: str) -> str:
    """The first sentence of a script's own text."""
    path = HERE.joinpath(*module.split(".")).with_suffix(".py")
    text = " ".join((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0].split())
    return text.replace("|", "\\|")
