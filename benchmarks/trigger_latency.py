"""P9: from a trigger that is dropped to the first shard in a resident worker, and what an idle cloud asks of storage.

A whole local cloud runs in a folder of its own. Triggers for one small picture are dropped with Azure's client alone,
each once the worker has been idle for so long that it polls at its slowest; after each of them the same operations are
done bare, one after the other (`trigger_raw`), on the same storage. Both sides are medians.

    ratio    trigger put begun -> `started_at` of the first verdict, against the sum of the bare operations
    idle     requests a second that storage gets from everybody while nothing is to be done, without a worker and with
"""

import argparse
import io
import json
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from PIL import Image

from benchmarks.goals import Goal, report
from benchmarks.trigger_cloud import Dropped, TriggerCloud, trigger_cloud
from benchmarks.trigger_raw import RawChain
from dropscore.contracts import layout
from dropscore.contracts.names import QueueName

PICTURE = "small.png"
TRIGGER = json.dumps({"workload": "style_transfer", "inputs": [PICTURE]}).encode()
IDLE_S = 20.0
REST_S = 4.0
"""Rest before each trigger: after it the worker and the listeners poll at their slowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trigger on its way: what was reached, and when, in seconds after it was dropped."""

    moments: dict[str, float]

    @property
    def latency_s(self) -> float:
        """Until the first shard was begun."""
        return self.moments["shard begun"]


def main() -> int:
    """Measure both sides and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trigger_latency", description=__doc__)
    parser.add_argument("--triggers", type=int, default=10)
    triggers = parser.parse_args().triggers
    with trigger_cloud() as cloud:
        cloud.cloud.blobs.put(layout.input_file(PICTURE), picture())
        rest()
        without = idle_requests(cloud)
        first = trigger(cloud, "warm-up.json")  # brings a worker, its model, its profile
        chain = RawChain(cloud, first.run_id, PICTURE, TRIGGER)
        chain.once(0)
        chain.forget()
        measured = []
        for number in range(1, triggers + 1):
            rest()
            measured.append(measure(cloud, f"latency-{number}.json"))
            rest()
            chain.once(number)
        chain.close()
        rest()
        with_worker = idle_requests(cloud)
    return tell(measured, chain.medians_s, without, with_worker)


def picture() -> bytes:
    """A small picture, as PNG."""
    data = io.BytesIO()
    Image.radial_gradient("L").resize((64, 48)).convert("RGB").save(data, "png")
    return data.getvalue()


def rest() -> None:
    """Let everybody come to rest."""
    time.sleep(REST_S)


def idle_requests(cloud: TriggerCloud) -> float:
    """Requests a second while nobody wants anything."""
    before = cloud.requests()
    time.sleep(IDLE_S)
    return (cloud.requests() - before) / IDLE_S


def trigger(cloud: TriggerCloud, name: str) -> Dropped:
    """Drop a trigger and wait for the end of its run."""
    dropped = cloud.drop(name, TRIGGER)
    cloud.wait_for_end(dropped.run_id)
    return dropped


def measure(cloud: TriggerCloud, name: str) -> Measured:
    """Drop a trigger, and read how it went once its run has ended."""
    dropped = trigger(cloud, name)
    run_id = dropped.run_id
    reached = {
        "trigger put": layout.trigger(name),
        "request": layout.request(run_id),
        "admission": layout.admission(run_id),
        "plan": layout.plan_index(run_id),
        "message": QueueName.SHARDS_NORMAL,
    }
    moments = {what: cloud.first_write(str(write), dropped.at) - dropped.at for what, write in reached.items()}
    return Measured(moments={**moments, "shard begun": cloud.started_at(run_id) - dropped.at})


def tell(measured: list[Measured], bare_s: dict[str, float], without: float, with_worker: float) -> int:
    """Print both sides step by step, then the goals."""
    print("The bare operations, each the median in ms:")
    for name, seconds in bare_s.items():
        print(f"  {seconds * 1000:7.1f}  {name}")
    print("The triggers, the median of the time from one moment to the next in ms:")
    for before, after in pairwise(("dropped", *measured[0].moments)):
        steps = [one.moments[after] - one.moments.get(before, 0.0) for one in measured]
        print(f"  {median(steps) * 1000:7.1f}  {before} -> {after}")
    raw_s = sum(bare_s.values())
    latencies = sorted(one.latency_s for one in measured)
    told = f"{median(latencies) * 1000:.0f} ms ({latencies[0] * 1000:.0f} to {latencies[-1] * 1000:.0f})"
    note = f"{told} against {raw_s * 1000:.0f} ms"
    title = "trigger dropped to first shard / bare operations"
    idle = "requests a second of an idle cloud,"
    return report(
        [
            Goal(id="P9", title=title, value=median(latencies) / raw_s, bar=2.0, note=note),
            Goal(id="P9", title=f"{idle} no worker", value=without, bar=5.0, unit="/s"),
            Goal(id="P9", title=f"{idle} one worker", value=with_worker, bar=5.0, unit="/s"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
