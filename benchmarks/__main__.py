"""Run every benchmark, one after the other, and print one table of all goals.

python -m benchmarks [NAME ...] [--markdown docs/benchmarks.md]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.goals import Goal, report
from benchmarks.page import scripts, write_page


def main() -> int:
    """Run the scripts named (all by default) and print their goals together; with `--markdown`, write the page too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(scripts())} (default: all)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the figures as a page, too")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(scripts())):
        parser.error(f"there is no script {', '.join(unknown)}")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as collected:
        failed = [name for name in asked.names or scripts() if _run(name, collected.name)]
        lines = Path(collected.name).read_text("utf-8").splitlines()
    goals = sorted(
        (Goal(**json.loads(line)) for line in lines),
        key=lambda goal: (int(goal.id[1:].split(".")[0]), goal.id, goal.title),
    )
    missed = report(goals)
    for name in failed:
        print(f"benchmarks/{name}.py ended with an error or missed a bar")
    if asked.markdown is not None:
        write_page(asked.markdown, goals, failed)
    return 1 if missed or failed else 0


def _run(name: str, collected: str) -> int:
    print(f"== benchmarks/{name}.py", flush=True)
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], env={**os.environ, "GOALS_JSON": collected}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
