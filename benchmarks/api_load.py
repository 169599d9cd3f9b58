"""How fast the API answers with 1,000 runs in the store, and what 50 callers who poll do to its host.

python -m benchmarks.api_load [--minutes 10] [--runs 1000] [--callers 50]

A local cloud of its own is started for it. Beside each answer's time stands a bare GET of the same host (its health),
which is the floor of the way through the Functions host.
"""

import argparse
import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import linear_regression, quantiles
from urllib.parse import urlsplit

from benchmarks.goals import Goal, report
from benchmarks.trigger_cloud import TriggerCloud, trigger_cloud
from dropscore.cloud.clock import utc_text
from dropscore.cloud.ports import Cloud
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.names import Lane
from dropscore.contracts.receipt import Receipt
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import RunState, RunStatus, StageTime

LIST_BAR_S, STATUS_BAR_S = 0.150, 0.050
GROWTH_BAR_MIB_PER_MIN = 0.2
SETTLING_S = 300.0
"""At the beginning of polling, in which caches and pools of threads fill, and the C library keeps something for each
thread. Of a shorter measurement the first half.
"""
PACE_S = 1.0
"""Between two questions of one caller who polls."""
PAGE = 4096
_BODY = b'{"workload": "style_transfer", "inputs": ["film.mp4"]}'


def main() -> int:
    """Measure, and print the goals."""
    parser = argparse.ArgumentParser(description="Load the API.")
    parser.add_argument("--minutes", type=float, default=0.5, help="how long callers poll (default: 0.5)")
    parser.add_argument("--runs", type=int, default=1000, help="runs in the store (default: 1000)")
    parser.add_argument("--callers", type=int, default=50, help="callers who poll (default: 50)")
    parser.add_argument("--requests", type=int, default=300, help="requests of the one caller (default: 300)")
    asked = parser.parse_args()
    with trigger_cloud() as cloud:
        run_ids = fill(cloud.cloud, asked.runs)
        time.sleep(2.0)
        alone = one_caller(cloud, run_ids, asked.requests)
        polled = many_callers(cloud, run_ids, asked.callers, asked.minutes * 60)
    return report([*goals_of_one(alone, asked.runs), *goals_of_many(polled, asked.callers, asked.minutes)])


# --- the store


def fill(cloud: Cloud, runs: int) -> list[str]:
    """Put ended runs into the store, written as those who make runs write them."""
    begin = datetime.now(UTC) - timedelta(days=1)
    states = [
        ended_run(f"load-{number:05d}-0123456789abcdef", begin + timedelta(seconds=number)) for number in range(runs)
    ]
    with ThreadPoolExecutor(16) as side:
        list(side.map(lambda state: store(cloud, state), states))
    return [state.run_id for state in states]


def ended_run(run_id: str, moment: datetime) -> RunState:
    """A run that has succeeded."""
    at = utc_text(moment)
    passed = (RunStatus.PENDING, RunStatus.PLANNING, RunStatus.PROVISIONING, RunStatus.SCORING, RunStatus.STITCHING)
    return RunState(
        run_id=run_id,
        status=RunStatus.SUCCEEDED,
        source=RunSource(kind="http"),
        created_at=at,
        updated_at=at,
        workload="style_transfer",
        lane=Lane.NORMAL,
        stages=tuple(StageTime(status=status, at=at) for status in (*passed, RunStatus.SUCCEEDED)),
        items_total=300,
        items_done=300,
        shards_total=12,
        shards_settled=12,
        outputs=("film.mp4",),
    )


def store(cloud: Cloud, state: RunState) -> None:
    """Write a run's record, state, receipt and place in the list."""
    record = RunRecord(
        run_id=state.run_id,
        source=state.source,
        created_at=state.created_at,
        body=_BODY.decode(),
        body_bytes=len(_BODY),
        body_sha256=sha256_hex(_BODY),
    )
    receipt = Receipt(
        run_id=state.run_id,
        status=state.status,
        workload=state.workload,
        created_at=state.created_at,
        finished_at=state.updated_at,
        duration_s=12.0,
        code_version="0",
        items_total=state.items_total,
        worker_s=10.0,
    )
    RunIndex(cloud.blobs).put(state, cleaned=True)
    cloud.blobs.put(layout.receipt(state.run_id), encode_bytes(receipt))
    cloud.blobs.put(layout.request(state.run_id), encode_bytes(record))
    cloud.blobs.put(layout.state(state.run_id), encode_bytes(state))


# --- callers


@dataclass(kw_only=True)
class Caller:
    """One connection to the API, and how long each kind of answer took, in seconds."""

    url: str
    times: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None

    def ask(self, kind: str, path: str) -> None:
        """GET an address to the end of its answer."""
        began = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            body = answer.read()
        except OSError as error:
            self.errors.append(f"{path}: {error!r}")
            self._connection = None
            return
        self.times.setdefault(kind, []).append(time.perf_counter() - began)
        if answer.status != 200 or not json.loads(body):
            self.errors.append(f"{path}: {answer.status}")


def one_caller(cloud: TriggerCloud, run_ids: list[str], requests: int) -> Caller:
    """One caller who asks again and again without a pause: first for the list, then for one run after the other."""
    caller = Caller(url=cloud.api_url)
    for number in range(requests + 1):
        caller.ask("floor", "/api/v1/health")
        caller.ask("list", "/api/v1/runs")
        if number == 0:
            caller.times.clear()  # the first of each connects
    time.sleep(2.0)  # the list is not being read anew any more
    for number in range(requests):
        caller.ask("floor", "/api/v1/health")
        caller.ask("status", f"/api/v1/runs/{run_ids[number * 37 % len(run_ids)]}")
    return caller


@dataclass(kw_only=True)
class Polled:
    """What came of many callers; `memory` are seconds and MiB of the host's resident memory."""

    callers: list[Caller]
    memory: list[tuple[float, float]]

    def times(self, kind: str) -> list[float]:
        """How long one kind of answer took, over all callers."""
        return [seconds for caller in self.callers for seconds in caller.times.get(kind, ())]

    @property
    def growth_mib_per_min(self) -> float:
        """Slope of the host's memory once it has settled."""
        settled = [(at, mib) for at, mib in self.memory if at >= min(SETTLING_S, self.memory[-1][0] / 2)]
        return 60 * linear_regression([at for at, _ in settled], [mib for _, mib in settled]).slope


def many_callers(cloud: TriggerCloud, run_ids: list[str], callers: int, seconds: float) -> Polled:
    """Callers who each look at the list, and at a run of their own with its shards, about once a second."""
    until = time.monotonic() + seconds
    asking = [Caller(url=cloud.api_url) for _ in range(callers)]

    def poll(caller: Caller, run_id: str, offset_s: float) -> None:
        time.sleep(offset_s)
        while time.monotonic() < until:
            began = time.monotonic()
            caller.ask("status", f"/api/v1/runs/{run_id}")
            caller.ask("shards", f"/api/v1/runs/{run_id}/shards")
            caller.ask("list", "/api/v1/runs?limit=20")
            time.sleep(max(0.0, PACE_S - (time.monotonic() - began)))

    threads = [
        threading.Thread(target=poll, args=(caller, run_ids[number % len(run_ids)], PACE_S * number / callers))
        for number, caller in enumerate(asking)
    ]
    for thread in threads:
        thread.start()
    memory = list(resident(cloud.processes["host"], until))
    for thread in threads:
        thread.join()
    return Polled(callers=asking, memory=memory)


def resident(pid: int, until: float) -> Iterator[tuple[float, float]]:
    """Seconds from now and MiB of a process, every second."""
    began = time.monotonic()
    while (now := time.monotonic()) < until or now - began < 2:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        yield now - began, pages * PAGE / 2**20
        time.sleep(1.0)


# --- figures


def p50_p95(seconds: list[float]) -> tuple[float, float]:
    """Median and the 95th of a hundred, in seconds."""
    parts = quantiles(seconds, n=100, method="inclusive")
    return parts[49], parts[94]


def told(seconds: list[float]) -> str:
    """Both in one line."""
    middle, most = p50_p95(seconds)
    return f"p50 {middle * 1000:.1f} ms, p95 {most * 1000:.1f} ms, {len(seconds)} answers"


def goals_of_one(caller: Caller, runs: int) -> list[Goal]:
    """The goals that one caller measures."""
    floor = f"; the bare host: {told(caller.times['floor'])}"
    return [
        Goal(
            id=f"A1.{kind}",
            title=f"{kind} with {runs} runs, p95",
            value=p50_p95(caller.times[kind])[1],
            bar=bar,
            unit="s",
            note=told(caller.times[kind]) + floor,
        )
        for kind, bar in (("list", LIST_BAR_S), ("status", STATUS_BAR_S))
    ]


def goals_of_many(polled: Polled, callers: int, minutes: float) -> list[Goal]:
    """The goals that many callers measure."""
    errors = [error for caller in polled.callers for error in caller.errors]
    times = "; ".join(f"{kind} {told(polled.times(kind))}" for kind in ("list", "status", "shards"))
    first, last = polled.memory[0][1], polled.memory[-1][1]
    return [
        Goal(
            id="A2.errors",
            title=f"errors of {callers} callers who poll for {minutes:g} min",
            value=len(errors),
            bar=0,
            unit="errors",
            note=times + (f"; the first: {errors[0]}" if errors else ""),
        ),
        Goal(
            id="A2.memory",
            title="growth of the host's memory meanwhile",
            value=polled.growth_mib_per_min,
            bar=GROWTH_BAR_MIB_PER_MIN,
            unit="MiB/min",
            note=f"{first:.0f} MiB at first, {last:.0f} MiB at last",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
