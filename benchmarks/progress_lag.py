"""How long after a worker has written a verdict the API tells of it.

python -m benchmarks.progress_lag [--shards 60] [--callers 5]

A local cloud of its own scores lines that take no processor (the workload of the chaos tests). When a verdict was
written is what storage tells of it; when it is told, is when the answer that tells of it has arrived at a caller who
asks four times a second, as the page and the command line do.
"""

import argparse
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.api_load import p50_p95
from benchmarks.goals import Goal, report
from benchmarks.trigger_cloud import ROOT, TriggerCloud, trigger_cloud
from dropscore.contracts import layout
from dropscore.contracts.http.items import ShardState

BAR_S = 1.5
ASK_EVERY_S = 0.25
LIMIT_S = 240.0
WORKLOAD = (ROOT / "tests" / "chaos" / "workload", ROOT / "tests" / "chaos" / "installed")
SHARD_ITEMS, ITEM_MS = 5, 60.0
UNSETTLED = {ShardState.WAITING.value, ShardState.WORKING.value}


def main() -> int:
    """Measure, and print the goals."""
    parser = argparse.ArgumentParser(description="Measure the lag between verdicts and the API.")
    parser.add_argument("--shards", type=int, default=60, help="shards of the run (default: 60)")
    parser.add_argument("--callers", type=int, default=5, help="callers who watch it (default: 5)")
    asked = parser.parse_args()
    with trigger_cloud(*WORKLOAD) as cloud:
        watchers = watch(cloud, start(cloud, asked.shards), asked.shards, asked.callers)
    return report([*goals("GET run", watchers, 0), *goals("GET shards", watchers, 1)])


def start(cloud: TriggerCloud, shards: int) -> str:
    """Drop a trigger; returns the id of its run."""
    lines = "".join(f"{'good':<12}{number:011d}\n" for number in range(shards * SHARD_ITEMS))
    cloud.cloud.blobs.put(layout.input_file("lag.lines"), lines.encode())
    options = {"shard_items": SHARD_ITEMS, "item_ms": ITEM_MS, "one_at_a_time": True}
    request = {"workload": "chaos_lines", "inputs": ["lag.lines"], "options": options}
    return cloud.drop("lag.json", json.dumps(request).encode()).run_id


@dataclass(kw_only=True)
class Watcher:
    """One caller: when each shard was first told to be settled by the grid, and when so many were by the run."""

    url: str
    run_id: str
    by_grid: dict[int, float] = field(default_factory=dict)
    by_count: dict[int, float] = field(default_factory=dict)
    lags: list[list[float]] = field(default_factory=lambda: [[], []])

    def watch(self) -> None:
        """Ask until the run has ended."""
        deadline = time.monotonic() + LIMIT_S
        ended = False
        while not ended and time.monotonic() < deadline:
            began = time.monotonic()
            run = self._get("")
            if run is not None:
                ended = run["status"] in ("succeeded", "failed", "rejected", "cancelled", "succeeded_with_gaps")
                for count in range(1, run["shards_settled"] + 1):
                    self.by_count.setdefault(count, time.time())
            grid = self._get("/shards")
            for shard_id, letter in enumerate("" if grid is None else grid["states"]):
                if letter not in UNSETTLED:
                    self.by_grid.setdefault(shard_id, time.time())
            time.sleep(max(0.0, ASK_EVERY_S - (time.monotonic() - began)))

    def compare(self, written: Mapping[int, float]) -> None:
        """Hold what was told against what was written."""
        for place, (shard_id, at) in enumerate(sorted(written.items(), key=lambda one: one[1]), start=1):
            self.lags[0].append(self.by_count[place] - at)
            self.lags[1].append(self.by_grid[shard_id] - at)

    def _get(self, what: str) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/runs/{self.run_id}{what}", timeout=30) as answer:
                told: dict[str, Any] = json.loads(answer.read())
                return told
        except urllib.error.HTTPError as error:
            if error.code == 404:  # its trigger has not been read yet
                return None
            raise


def watch(cloud: TriggerCloud, run_id: str, shards: int, callers: int) -> list[Watcher]:
    """Callers who follow a run to its end."""
    watchers = [Watcher(url=cloud.api_url, run_id=run_id) for _ in range(callers)]
    threads = [threading.Thread(target=watcher.watch) for watcher in watchers]
    for thread in threads:
        thread.start()
        time.sleep(ASK_EVERY_S / callers)
    for thread in threads:
        thread.join()
    written = {shard_id: written_at(cloud, str(layout.verdict(run_id, shard_id))) for shard_id in range(shards)}
    for watcher in watchers:
        watcher.compare(written)
    return watchers


def written_at(cloud: TriggerCloud, name: str) -> float:
    """When storage told that a blob was written."""
    return cloud.first_write(name, 0.0)


def goals(what: str, watchers: list[Watcher], kind: int) -> list[Goal]:
    """The goal of one way to be told."""
    lags = [max(0.0, lag) for watcher in watchers for lag in watcher.lags[kind]]
    middle, most = p50_p95(lags)
    note = f"p50 {middle:.2f} s, most {max(lags):.2f} s, {len(lags)} verdicts told"
    return [Goal(id="A3.lag", title=f"verdict to {what}, p95", value=most, bar=BAR_S, unit="s", note=note)]


if __name__ == "__main__":
    raise SystemExit(main())
