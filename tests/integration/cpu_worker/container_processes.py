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
    disk_kib: int | None = None
    """Size of the disk that holds its temporary folder; None: that of the machine."""

    def start(self, role: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._small_disk(), sys.executable, "-m", "cpu_worker", role, "--run", self.run_id],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _small_disk(self) -> list[str]:
        """A prefix of a command that gives it a disk in memory, in name spaces of its own."""
        if self.disk_kib is None:
            return []
        mount = f'mount -t tmpfs -o size={self.disk_kib}k small "$TMPDIR" && exec "$@"'
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]

    def run(self, role: str) -> tuple[int, str]:
        """Exit code and what was printed."""
        with self.start(role) as process:
            try:
                printed = process.communicate(timeout=60)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, printed
