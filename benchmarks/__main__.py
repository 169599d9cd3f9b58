"""Run every benchmark, one after the other, and print one table of all goals: `python -m benchmarks [name ...]`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.goals import Goal, report

HERE = Path(__file__).parent


def main() -> int:
    """Run the scripts named (all by default) and print their goals together."""
    wanted = sys.argv[1:] or sorted(
        path.stem for path in HERE.glob("*.py") if 'if __name__ == "__main__"' in path.read_text("utf-8")
    )
    scripts = [name for name in wanted if name not in ("__main__", "goals")]
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as collected:
        failed = [name for name in scripts if _run(name, collected.name)]
        lines = Path(collected.name).read_text("utf-8").splitlines()
    goals = sorted(
        (Goal(**json.loads(line)) for line in lines), key=lambda goal: (int(goal.id[1:].split(".")[0]), goal.title)
    )
    missed = report(goals)
    for name in failed:
        print(f"benchmarks/{name}.py ended with an error or missed a bar")
    return 1 if missed or failed else 0


def _run(name: str, collected: str) -> int:
    print(f"== benchmarks/{name}.py", flush=True)
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], env={**os.environ, "GOALS_JSON": collected}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
