"""Makes the workload of the chaos tests importable where they judge its results."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "workload"))
