"""Schemathesis against a local cloud that asks for keys: `python tests/fuzz/api_checks.py [CASES]`, `make api-checks`.

Cases are made out of the API's own description, right ones and wrong ones, in rounds with a seed each, until so many
have been sent; every check that Schemathesis has is on (`schemathesis.toml` says what is set otherwise). Exit code 0:
nothing was found.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from localcloud.home import Home, Ports  # noqa: E402

EXAMPLES = 60
"""For each operation and round."""
PHASES = "examples,coverage,fuzzing,stateful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one run of Schemathesis came to."""

    cases: int
    found: bool
    said: str


@contextmanager
def asking_cloud() -> Iterator[tuple[str, str]]:
    """A local cloud that asks for keys; its address and a key."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.ports_file.write_text(json.dumps(dict.fromkeys(asdict(Ports()), 0)))
        cloud = [sys.executable, "-m", "localcloud"]
        where = ["--home", folder]
        settings = ["--set=WorkerDevice=cpu", "--set=PricePerWorkerHour=1.2", "--set=PriceCurrency=EUR"]
        subprocess.run(
            [*cloud, "up", "--detach", "--enable-auth", *settings, *where], cwd=ROOT, check=True, capture_output=True
        )
        try:
            written = json.loads(home.cloud_file.read_text())
            yield written["api_url"], written["settings"]["DROPSCORE_KEY"]
        finally:
            subprocess.run([*cloud, "down", *where], cwd=ROOT, check=True, capture_output=True)


def check(url: str, key: str, *, seed: int, examples: int = EXAMPLES, phases: str = PHASES) -> Round:
    """One round."""
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/api/v1/openapi.json"),
        *("--checks", "all", "--header", f"x-functions-key: {key}", "--seed", str(seed), "--workers", "2"),
        *("--max-examples", str(examples), "--phases", phases, "--continue-on-failure", "--warnings", "off"),
    ]
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    generated = re.search(r"(\d[\d,]*) generated", done.stdout)
    cases = int(generated[1].replace(",", "")) if generated else 0
    return Round(cases=cases, found=done.returncode != 0 or not cases, said=done.stdout + done.stderr)


def main(wanted: int) -> int:
    """Rounds until so many cases have been sent, or something was found."""
    sent, seed = 0, 0
    with asking_cloud() as (url, key):
        while sent < wanted:
            done = check(url, key, seed=seed)
            sent += done.cases
            print(f"seed {seed}: {done.cases} cases, {sent} in all", flush=True)
            if done.found:
                print(done.said)
                return 1
            seed += 1
    print(f"{sent} cases, 0 failures")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
