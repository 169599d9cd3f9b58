"""Many triggers at once: `python tests/chaos/triggers.py [--runs 100 --copies 50 --lost 0.05 --seed 0]` (R7).

A hundred trigger files are dropped in a cloud in which the events about five percent of them are lost; the event about
each of the others is delivered fifty times. Each file must have one run with one verdict for each shard, and a file of
which nobody was told must have its run at most a minute later.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent / "workload"))

from chaos_lines.lines import Kind, file_of
from harness.checks import expected_output
from harness.cloud import Cloud, running_cloud, wait_for
from harness.drive import deliver_again, has_ended, request_for
from harness.figures import quantile
from harness.journal import History
from harness.schedule import Schedule, Shape
from harness.store import Store
from harness.table import machine

from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.request import RunPolicy
from localcloud.weather.events import is_lost
from localcloud.weather.spec import Spec

FOUND_WITHIN_S = 60.0
LIMIT_S = 1800.0
SHAPE = Shape(shards=4, shard_items=5, item_ms=1.0, lease_s=10.0, stall_s=RunPolicy().stall_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A trigger file. `lost`: nobody was told of it. `dropped_at` is seconds since 1970."""

    name: str
    run_id: str
    lost: bool
    dropped_at: float
    journal: Path


def main() -> int:
    """0 when each trigger file has its one run in time."""
    arguments = _parser().parse_args()
    weather = f"seed={arguments.seed},rate=0,events={arguments.lost}"
    with (
        tempfile.TemporaryDirectory(prefix="dropscore-triggers-") as folder,
        running_cloud(Path(folder) / "home", weather=weather) as cloud,
    ):
        store = Store.of(cloud.settings)
        try:
            dropped = [drop(cloud, store, number, Spec.parse(weather)) for number in range(arguments.runs)]
            deliveries = deliver_all(cloud, store, dropped, arguments.copies - 1)
            for one in dropped:
                wait_for(lambda one=one: has_ended(store, one.run_id), within_s=LIMIT_S, what=f"{one.name} ends")  # type: ignore[misc]
            wrong = [what for one in dropped for what in _wrong_of(store, one)] + _wrong_in_all(store, dropped)
            again = sum(History.read(one.journal).scored_again for one in dropped)
            delays = [begun_after_s(store, one) for one in dropped if one.lost]
        finally:
            store.close()
        cloud.down()
    print("\n".join(summary(arguments, dropped, deliveries, again, delays, wrong)))
    return 1 if wrong else 0


def drop(cloud: Cloud, store: Store, number: int, weather: Spec) -> Dropped:
    """Drop one trigger file."""
    schedule = Schedule(kind="trigger", seed=number, shape=SHAPE)
    journal = cloud.home.root / "journal" / schedule.name
    kinds = [Kind.GOOD] * SHAPE.items
    store.put("inputs", f"{schedule.name}.lines", file_of(kinds))
    name, at = f"{schedule.name}.json", time.time()
    etag = store.put("triggers", name, request_for(schedule, f"{schedule.name}.lines", journal, kinds))
    run_id = run_id_of_trigger("dropscoredata", name, etag)
    return Dropped(name=name, run_id=run_id, lost=is_lost(weather, name), dropped_at=at, journal=journal)


def deliver_all(cloud: Cloud, store: Store, dropped: list[Dropped], copies: int) -> int:
    """Deliver the event of every file that somebody was told of again and again; returns how often in all."""
    with ThreadPoolExecutor(4, "deliver") as side:
        told = [one.name for one in dropped if not one.lost]
        return sum(len(answers) for answers in side.map(lambda name: deliver_again(cloud, store, name, copies), told))


def begun_after_s(store: Store, one: Dropped) -> float:
    """Seconds from the drop until the run was on record."""
    record = store.document("runs", f"{one.run_id}/request.json") or {}
    return datetime.fromisoformat(record["created_at"]).timestamp() - one.dropped_at


def _wrong_of(store: Store, one: Dropped) -> Iterator[str]:
    status = (store.document("runs", f"{one.run_id}/state.json") or {}).get("status")
    if status != "succeeded":
        yield f"{one.name} ended {status}"
    if store.get("outputs", f"{one.run_id}/scores.txt") != expected_output([Kind.GOOD] * SHAPE.items):
        yield f"{one.name} has other outputs than it must"
    verdicts = len(store.blobs("runs", f"{one.run_id}/verdicts/"))
    if verdicts != SHAPE.shards:
        yield f"{one.name} has {verdicts} verdicts for {SHAPE.shards} shards"
    if one.lost and (late := begun_after_s(store, one)) > FOUND_WITHIN_S:
        yield f"{one.name}, of which nobody was told, was found after {late:.0f} s"


def _wrong_in_all(store: Store, dropped: list[Dropped]) -> list[str]:
    runs = {blob.name.partition("/")[0] for blob in store.blobs("runs", "") if blob.name.endswith("/request.json")}
    more = runs - {one.run_id for one in dropped}
    return [f"{len(more)} runs are there that nobody asked for: {', '.join(sorted(more)[:5])}"] if more else []


def summary(
    asked: Any, dropped: list[Dropped], deliveries: int, again: int, delays: list[float], wrong: list[str]
) -> list[str]:
    """What came of it, as a table. `again` counts items that were scored more than once: messages may come twice."""
    found = f"{quantile(delays, 0.5):.0f} / {quantile(delays, 1.0):.0f} s" if delays else "–"
    right, scored_again = "yes" if not wrong else "NO", f"{again} of {len(dropped) * SHAPE.items}"
    return [
        "| trigger files | further deliveries | items scored again | events lost | found after, p50 / most | right |",
        "|---|---|---|---|---|---|",
        f"| {len(dropped)} | {deliveries} | {scored_again} | {len(delays)} | {found} | {right} |",
        "",
        f"seed {asked.seed}; {machine()}",
        *(f"WRONG: {line}" for line in wrong[:20]),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--copies", type=int, default=50)
    parser.add_argument("--lost", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
