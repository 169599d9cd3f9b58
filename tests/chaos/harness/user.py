"""Somebody at a terminal before a cloud, and what is on their screen."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from chaos_lines.lines import Kind, file_of

from dropscore.contracts.identity import run_id_of_trigger
from harness.cloud import Cloud, wait_for
from harness.drive import has_ended
from harness.nemesis import Nemesis
from harness.schedule import Schedule, Shape, Strike
from harness.store import Store

MOST_LINES = 24
"""Of a screen."""
LIMIT_S = 240.0
"""Longest wait for anything."""
POLICY = {"lease_s": 4.0, "max_workers": 2, "item_deadline_s": 3.0, "shard_backoff_s": 0.2}


@dataclass(kw_only=True)
class User:
    """Somebody at a terminal, before a cloud."""

    cloud: Cloud
    store: Store
    folder: Path
    page: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A sentence of the page."""
        self.page += ["", text]

    def calls(self, *arguments: str) -> str:
        """Call `dropscore` beside the page; returns what it printed."""
        page, self.page = self.page, []
        try:
            return self.types(*arguments)
        finally:
            self.page = page

    def types(self, *arguments: str) -> str:
        """Call `dropscore`; what it prints is on the page and returned."""
        done = subprocess.run(
            [sys.executable, "-m", "dropscore.cli", *arguments],
            env={**os.environ, "DROPSCORE_LOCAL": str(self.cloud.home.root), "COLUMNS": "110", "DROPSCORE_URL": ""},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        printed = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr).rstrip()
        lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
        left_out = [f"… {len(lines) - MOST_LINES} lines more"] if len(lines) > MOST_LINES else []
        code = [f"(exit code {done.returncode})"] if done.returncode else []
        self.page += ["", "```", f"$ dropscore {' '.join(arguments)}", *lines[:MOST_LINES], *left_out, *code, "```"]
        return printed

    def drops(self, name: str, kinds: list[Kind], *, item_ms: float = 2.0, shard_items: int = 10) -> str:
        """Drop a trigger file for a file of lines; returns the run's id."""
        self.store.put("inputs", f"{name}.lines", file_of(kinds))
        options = {"shard_items": shard_items, "item_ms": item_ms, "hang_s": 3600.0}
        request = {"workload": "chaos_lines", "inputs": [f"{name}.lines"], "options": options, "policy": POLICY}
        etag = self.store.put("triggers", f"{name}.json", json.dumps(request).encode())
        return run_id_of_trigger("dropscoredata", f"{name}.json", etag)

    def waits_for(self, run_id: str) -> None:
        """Until a run has ended."""
        ended = lambda: has_ended(self.store, run_id)  # noqa: E731
        wait_for(ended, within_s=LIMIT_S, what=f"{run_id} ends", why=self.cloud.tail)

    def harms(self, run_id: str, *strikes: Strike) -> Nemesis:
        """Let something happen to a run."""
        schedule = Schedule(kind="example", seed=0, shape=Shape(), strikes=strikes)
        nemesis = Nemesis(cloud=self.cloud, store=self.store, schedule=schedule, run_id=run_id)
        nemesis.begin()
        return nemesis


def started(printed: str) -> str:
    """The id of the run that a screen tells of."""
    found = re.search(r"runs/(\S+)/report\.html|dropscore quarantine (\S+)|^Run (\S+)", printed, re.MULTILINE)
    assert found is not None, printed
    return next(one for one in found.groups() if one)


def listed_message(printed: str) -> str:
    """The id of the first message of a list of poison."""
    found = re.search(r"^([0-9a-f]{8})\b", printed, re.MULTILINE)
    assert found is not None, printed
    return found[1]
