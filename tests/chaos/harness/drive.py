"""Drives one run through its schedule: drops the trigger, lets the nemesis loose, waits for the end and for quiet."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from azure.core.exceptions import AzureError
from chaos_lines.lines import Kind, file_of

from dropscore.cloud.connect import connect_runner, connect_workers
from dropscore.cloud.settings import AppSettings
from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.identity import run_id_of_trigger
from harness.cloud import Cloud, CloudError, wait_for
from harness.journal import History
from harness.nemesis import Blow, Nemesis
from harness.processes import RESIDENT
from harness.schedule import Schedule
from harness.store import Store

WORKLOAD = "chaos_lines"
ENDINGS = ("succeeded", "succeeded_with_gaps", "failed", "cancelled", "rejected")
END_LIMIT_S = 240.0
END_LIMIT_SHARD_S = 1.5
"""Each shard of a large run adds this much, on a busy machine."""
END_LOOK_S = 0.05
QUIET_LIMIT_S = 120.0
LAST_STRIKES_S = 3.0
"""How long strikes may come after the end of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that is over: what is to be judged. Times are seconds."""

    schedule: Schedule
    kinds: list[Kind]
    run_id: str
    status: str
    state: dict[str, Any]
    began_at: float
    """Since 1970."""
    wall_s: float
    quiet_s: float
    """From its end until nothing of it was left; `QUIET_LIMIT_S` or more: something is left for ever."""
    left: tuple[str, ...]
    """What was left then."""
    blows: tuple[Blow, ...]
    history: History
    deliveries: tuple[int, ...]
    """Statuses with which further copies of the trigger event were answered."""
    journal: Path
    """Folder of what its workload's processes did."""


def drive(cloud: Cloud, store: Store, schedule: Schedule, *, limit_s: float | None = None) -> Ended:
    """Run it. Raises `CloudError` when it does not end within `limit_s` (what its size allows, if not said)."""
    kinds, journal = schedule.kinds(), cloud.home.root / "journal" / f"{schedule.name}-{time.time_ns()}"
    name = f"{schedule.name}.lines"
    store.put("inputs", name, file_of(kinds))
    began_at, began = time.time(), time.monotonic()
    etag = store.put("triggers", f"{schedule.name}.json", request_for(schedule, name, journal, kinds))
    run_id = run_id_of_trigger("dropscoredata", f"{schedule.name}.json", etag)
    nemesis = Nemesis(cloud=cloud, store=store, schedule=schedule, run_id=run_id)
    nemesis.begin()
    try:
        deliveries = deliver_again(cloud, store, f"{schedule.name}.json", schedule.copies - 1)
        wait_for(
            lambda: has_ended(store, run_id),
            within_s=limit_s or limit_of(schedule),
            what=f"{run_id} ends",
            why=cloud.tail,
            every_s=max(END_LOOK_S, schedule.look_s),
        )
        wall_s = time.monotonic() - began
        _wait(lambda: not nemesis.busy, LAST_STRIKES_S)
    finally:
        nemesis.end()
    quiet = time.monotonic()
    left = _left_at_last(cloud, store, run_id)
    state = store.document("runs", f"{run_id}/state.json") or {}
    return Ended(
        schedule=schedule,
        kinds=kinds,
        run_id=run_id,
        status=str(state["status"]),
        state=state,
        began_at=began_at,
        wall_s=wall_s,
        quiet_s=time.monotonic() - quiet,
        left=tuple(left),
        blows=tuple(nemesis.blows),
        history=History.read(journal),
        deliveries=tuple(deliveries),
        journal=journal,
    )


def limit_of(schedule: Schedule) -> float:
    """Seconds that a run may take."""
    return max(END_LIMIT_S, schedule.shape.shards * END_LIMIT_SHARD_S)


def request_for(schedule: Schedule, name: str, journal: Path, kinds: list[Kind]) -> bytes:
    """The trigger file."""
    shape = schedule.shape
    request = {
        "workload": WORKLOAD,
        "inputs": [name],
        "options": {
            "shard_items": shape.shard_items,
            "item_ms": shape.item_ms,
            "journal": str(journal),
            "hang_s": 3600.0,
        },
        "policy": {
            "lease_s": shape.lease_s,
            "stall_s": shape.stall_s,
            "poll_most_s": 0.5,
            "max_workers": 2,
            "container_deadline_s": 60.0,
            "item_deadline_s": 2.0 if Kind.HANGS in kinds else 30.0,
        },
    }
    return json.dumps(request).encode()


def deliver_again(cloud: Cloud, store: Store, trigger: str, copies: int) -> list[int]:
    """Deliver the trigger's event again, many times at once; returns the statuses of the answers."""
    if copies < 1:
        return []
    url = store.data.get_blob_client("triggers", trigger).url
    address = f"{cloud.url}/runtime/webhooks/blobs?functionName=Host.Functions.on_trigger"
    event = [{"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": url}}]

    def deliver(_: int) -> int:
        try:
            return httpx.post(address, json=event, timeout=60).status_code
        except httpx.HTTPError:
            return 0  # the host was struck: Event Grid would deliver again

    with ThreadPoolExecutor(min(16, copies), "deliver") as side:
        return list(side.map(deliver, range(copies)))


def left_of(cloud: Cloud, store: Store, run_id: str) -> list[str]:
    """What is left of a run that has ended, in words; empty when all is as it was before."""
    try:
        seen = (_processes(cloud), _messages(store), _resources(cloud), _blobs(store, run_id), _story(cloud, run_id))
    except (AzureError, DropscoreError, CloudError) as error:
        return [f"cannot be seen: {error}"]
    return [what for found in seen for what in found]


def _processes(cloud: Cloud) -> list[str]:
    return [f"process {one.pid} ({one.role})" for one in cloud.processes() if one.role not in RESIDENT]


def _messages(store: Store) -> list[str]:
    return [f"{count} messages on {queue}" for queue, count in store.depths().items()]


def _resources(cloud: Cloud) -> list[str]:
    settings = AppSettings.from_env(cloud.settings)
    groups, workers = connect_runner(settings).names(), connect_workers(settings).counts()
    left = [f"container group {name}" for name in groups]
    if workers.waiting:
        left.append(f"{workers.waiting} Batch tasks that wait")
    if workers.running > cloud.nodes:
        left.append(f"{workers.running} Batch tasks that run, on {cloud.nodes} nodes")
    return left


def _blobs(store: Store, run_id: str) -> list[str]:
    """Parts stay where items are missing: a replay needs them. What is not published must not be there."""
    status = (store.document("runs", f"{run_id}/state.json") or {}).get("status")
    left = []
    if status in ("succeeded", "cancelled"):
        left += [f"part {blob.name}" for blob in store.blobs("runs", f"{run_id}/parts/")]
    if status in ("failed", "cancelled"):
        left += [f"output {blob.name}" for blob in store.blobs("outputs", f"{run_id}/")]
    return left


def _story(cloud: Cloud, run_id: str) -> list[str]:
    """The run's orchestration must have come to its end."""
    journal = cloud.home.root / "host" / "durable.jsonl"
    return [] if f'"end":"{run_id}"' in journal.read_text() else ["an orchestration that goes on"]


def has_ended(store: Store, run_id: str) -> bool:
    """Whether a run is over."""
    state = store.document("runs", f"{run_id}/state.json")
    return state is not None and state["status"] in ENDINGS


def _left_at_last(cloud: Cloud, store: Store, run_id: str) -> list[str]:
    """Wait until nothing is left of a run, but not for ever; returns what the last look saw."""
    deadline = time.monotonic() + QUIET_LIMIT_S
    while (left := left_of(cloud, store, run_id)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _wait(condition: Callable[[], object], limit_s: float) -> None:
    """Wait, but not for ever; who called looks again."""
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
