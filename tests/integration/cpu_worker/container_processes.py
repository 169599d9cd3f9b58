"""The container's commands as processes."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WORDS = Path(__file__).resolve().parents[2] / "unit" / "cpu_worker"
if str(WORDS) not in sys.path:  # the letters workload and its runs are the unit tests' own
    sys.path.insert(0, str(WORDS))


@dataclass
class Container:
    """What a container gets: its environment. `run` starts a command and waits, `start` does not."""

    environment: dict[str, str]
    run_id: str

    def start(self, role: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cpu_worker", role, "--run", self.run_id],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, role: str) -> tuple[int, str]:
        """Exit code and what was printed."""
        process = self.start(role)
        printed = process.communicate(timeout=60)[1]
        return process.returncode, printed
