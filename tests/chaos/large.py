"""The large run: `python tests/chaos/large.py [--items 30000 --seed 0]`.

Thirty thousand items, of which one in a hundred raises and one in a thousand ends the process that scores it, with
fifty deliveries of the trigger's event, evicted nodes and two percent of all requests to storage failing; and before it
the same number of good items with nothing in their way. Held against each other, and to what is promised.
"""

import argparse
import math
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

sys.path.append(str(Path(__file__).parent / "workload"))

from chaos_lines.lines import Kind
from harness.checks import Found, violations
from harness.cloud import Cloud, running_cloud
from harness.drive import Ended, drive
from harness.schedule import CALM, Action, Moment, Schedule, Shape, Stage, Strike
from harness.store import Store
from harness.table import machine

from dropscore.contracts.request import RunPolicy

LIMIT_S = 1800.0
LOOK_S = 0.5
"""Time between two looks at the run from outside, in both runs."""
MOST_TIMES = 2.0
"""How much longer the disturbed run may take."""
HARMS = ("raises", "kills", "events", "evictions", "storage")
MOST_EVENTS = 300
"""In any history of an orchestration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One of the two runs."""

    ended: Ended
    wrong: list[str]
    pieces: dict[int, int]
    """Pieces made of each shard that was divided."""
    events: int
    """In the longest history of its orchestrations."""
    faults: int
    """Requests to storage that failed."""


def main() -> int:
    """0 when all is as promised."""
    signal.signal(signal.SIGTERM, _leave)
    arguments = _parser().parse_args()
    shape = Shape(
        shards=arguments.items // arguments.shard_items,
        shard_items=arguments.shard_items,
        item_ms=arguments.item_ms,
        lease_s=arguments.lease_s,
        stall_s=RunPolicy().stall_s,
    )
    storm = storm_of(shape, arguments.seed, arguments.harms or HARMS)
    calm = Schedule(kind="calm", seed=arguments.seed, look_s=LOOK_S, shape=shape)
    quiet = measured(calm)
    tell(quiet)
    disturbed = measured(storm)
    tell(disturbed)
    wrong = [*quiet.wrong, *disturbed.wrong, *promises(quiet, disturbed)]
    print("\n" + "\n".join(summary(quiet, disturbed)))
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def storm_of(shape: Shape, seed: int, harms: Collection[str]) -> Schedule:
    """The disturbed run, with all harms or some of them."""
    bad = {"raises": (Kind.RAISES, 100), "kills": (Kind.KILLS, 1000)}
    return Schedule(
        kind="large",
        seed=seed,
        look_s=LOOK_S,
        shape=replace(shape, bad={kind: shape.items // each for harm, (kind, each) in bad.items() if harm in harms}),
        strikes=tuple(_evictions(shape)) if "evictions" in harms else (),
        copies=50 if "events" in harms else 1,
        weather=f"seed={seed},rate=0.02" if "storage" in harms else CALM,
    )


def measured(schedule: Schedule) -> Measured:
    """Do one run in a cloud of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="dropscore-large-") as folder,
        running_cloud(Path(folder) / "home", weather=schedule.weather) as cloud,
    ):
        store = Store.of(cloud.settings)
        try:
            drive(cloud, store, Schedule(kind="warm", seed=0, shape=Shape(shards=20), weather=schedule.weather))
            ended = drive(cloud, store, schedule, limit_s=LIMIT_S)
            found = Found.read(store, ended.run_id)
            result = Measured(
                ended=ended,
                wrong=violations(ended, found),
                pieces=pieces_of(store, ended.run_id),
                events=_events(cloud, ended.run_id),
                faults=_faults(cloud),
            )
        finally:
            store.close()
        cloud.down()
    return result


def promises(quiet: Measured, disturbed: Measured) -> Iterator[str]:
    """What the large run is held to besides what every run is."""
    times = disturbed.ended.wall_s / quiet.ended.wall_s
    if times > MOST_TIMES:
        yield f"it took {times:.2f} times as long as undisturbed, not {MOST_TIMES:g}"
    for one in (quiet, disturbed):
        if one.events > MOST_EVENTS:
            yield f"a history had {one.events} events, not {MOST_EVENTS}"
    shape = disturbed.ended.schedule.shape
    each = 2 * math.ceil(math.log2(shape.shard_items))
    bad = Counter(item // shape.shard_items for item, kind in enumerate(disturbed.ended.kinds) if kind.is_bad)
    for shard, pieces in disturbed.pieces.items():
        if pieces > each * bad[shard]:
            yield f"{pieces} pieces were made of shard {shard} for {bad[shard]} bad items, not {each} for each"


def pieces_of(store: Store, run_id: str) -> dict[int, int]:
    """How many pieces were made of each divided shard, those of pieces included."""
    pieces = Counter[int]()
    for _, split in store.documents("runs", f"{run_id}/splits/"):
        pieces[split["shard_id"]] += len(split["pieces"])
    return dict(pieces)


def summary(quiet: Measured, disturbed: Measured) -> list[str]:
    """The table."""
    shape, history = disturbed.ended.schedule.shape, disturbed.ended.history
    bad = Counter(kind for kind in disturbed.ended.kinds if kind.is_bad)
    rows = [
        ("items, shards", f"{shape.items:,}, {shape.shards:,}", f"{shape.items:,}, {shape.shards:,}"),
        ("bad items", "0", ", ".join(f"{count} {kind}" for kind, count in bad.items())),
        ("storage requests that failed", str(quiet.faults), str(disturbed.faults)),
        ("nodes evicted", "0", str(len(disturbed.ended.blows))),
        ("deliveries of the trigger's event", "1", str(1 + len(disturbed.ended.deliveries))),
        ("right", _verdict(quiet), _verdict(disturbed)),
        ("pieces made", "0", str(sum(disturbed.pieces.values()))),
        ("most pieces for one shard", "0", str(max(disturbed.pieces.values(), default=0))),
        ("items scored again", str(quiet.ended.history.scored_again), str(history.scored_again)),
        ("longest history, events", str(quiet.events), str(disturbed.events)),
        ("wall", f"{quiet.ended.wall_s:.1f} s", f"{disturbed.ended.wall_s:.1f} s"),
        ("times the undisturbed", "1", f"{disturbed.ended.wall_s / quiet.ended.wall_s:.2f}"),
    ]
    return [
        "| | undisturbed | disturbed |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        machine(),
    ]


def tell(one: Measured) -> None:
    """A line when a run is done."""
    print(
        f"{time.strftime('%H:%M:%S')} {one.ended.schedule.name}: {one.ended.wall_s:.1f} s, {_verdict(one)}", flush=True
    )


def _leave(*_: object) -> NoReturn:
    """SIGTERM, as from `timeout`: nothing of a cloud may live on."""
    raise SystemExit(143)


def _verdict(one: Measured) -> str:
    return "yes" if not one.wrong else f"NO: {one.wrong[0]}"


def _evictions(shape: Shape) -> Iterator[Strike]:
    """A node goes five times, with no notice, and is back two seconds later."""
    for number in range(5):
        moment = Moment(stage=Stage.SCORING, delay_s=0.0, verdict=shape.shards * (2 * number + 1) // 10)
        yield Strike(action=Action.EVICT, moment=moment, for_s=2.0, share=number % 2 / 2)


def _events(cloud: Cloud, run_id: str) -> int:
    """As the host said when the run's orchestration ended."""
    said = re.findall(
        rf"{run_id} ended: \w+\. Its longest history had (\d+) events", cloud.home.log("host").read_text()
    )
    return max(map(int, said), default=0)


def _faults(cloud: Cloud) -> int:
    folder = cloud.home.folder("weather")
    return sum(len(file.read_text().splitlines()) for file in folder.glob("*.jsonl")) if cloud.weather != CALM else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=30_000)
    parser.add_argument("--shard-items", type=int, default=30)
    parser.add_argument("--item-ms", type=float, default=4.0)
    parser.add_argument("--lease-s", type=float, default=5.0, help="shorter ones run out on a busy machine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--harms", nargs="*", choices=HARMS, help="only these, to see what each of them costs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
