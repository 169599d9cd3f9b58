"""P6, P7, P8: what it costs to put shards on a queue and to know when all have a verdict.

`score_shards` and its activities run on durabletask's in-memory backend under its default limits; storage is in
memory, and a thread stands in for the workers. Cost is the processor time that orchestrators and activities take,
with the storage in memory; what the backend and gRPC take besides is printed, and is another in Azure.

    P6   1,000 against 10,000 shards that are scored at once: the slope of cost, history events, milliseconds a shard
    P7   10,000 shards whose verdicts come 5 ms apart, against all at once
    P8   50,000 shards: they finish
"""

import json
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc  # type: ignore[import-untyped]  # it has no types
from durabletask.client import TaskHubGrpcClient
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend
from durabletask.worker import TaskHubGrpcWorker

import orchestrations
from activities.catalogue import Catalogue
from activities.ports import Ports
from activities.registered import activities
from benchmarks.goals import Goal, report
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.cloud.operations import Operations
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.names import EventName, Lane, OrchestratorName, QueueName
from dropscore.contracts.orchestration import ScoreEnd, ScoreShards
from dropscore.contracts.plan import SHARDS_PER_PAGE, ShardMessage, ShardSpec
from dropscore.contracts.request import AdmittedRun, RunPolicy, RunRecord, RunSource

RUN = "fan-out-0123456789abcdef"
LANE = QueueName.SHARDS_NORMAL
NUDGE_EVERY_S = 1.0
"""Workers tell of news at most this often."""
LONGEST_S = 300.0
_ADDING = threading.Lock()


@dataclass(kw_only=True)
class Cost:
    """What one run took."""

    shards: int
    cpu_s: float
    """Of orchestrators and activities."""
    process_cpu_s: float
    """Of the whole process, without the workers' thread."""
    wall_s: float
    history: int

    def __str__(self) -> str:
        return (
            f"{self.shards:6d} shards: {self.cpu_s:.3f} CPU-s ({self.process_cpu_s:.2f} with backend and gRPC), "
            f"{self.wall_s:.2f} s, {self.history} events"
        )


class Backend(InMemoryOrchestrationBackend):
    """The backend with its default limits, on a free port of this machine alone; remembers its longest history."""

    longest = 0

    def start(self) -> str:
        self._shutdown_event.clear()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
        stubs.add_TaskHubSidecarServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call] # generated
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return f"127.0.0.1:{port}"

    def CompleteOrchestratorTask(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by the protocol
        with self._lock:
            instance = self._instances[request.instanceId]
            events = len(instance.history) + len(instance.dispatched_events) + len(request.actions) + 2
            self.longest = max(self.longest, events)
        return super().CompleteOrchestratorTask(request, context)


class TimedWorker(TaskHubGrpcWorker):
    """The durable worker, which adds up the processor time of what it executes."""

    cpu_s = 0.0

    def _execute_orchestrator(self, *work: Any) -> None:
        self._timed(super()._execute_orchestrator, *work)

    def _execute_activity(self, *work: Any) -> None:
        self._timed(super()._execute_activity, *work)

    def _timed(self, execute: Callable[..., None], *work: Any) -> None:
        began = time.thread_time()
        execute(*work)
        with _ADDING:
            self.cpu_s += time.thread_time() - began


@dataclass(kw_only=True)
class Workers:
    """A thread that settles shards as their messages come, or one every `apart_s` seconds."""

    memory: MemoryCloud
    apart_s: float
    nudge: Callable[[], None]
    cpu_s: float = 0.0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        began, nudged = time.thread_time(), 0.0
        while not self._stopping.is_set():
            taken = self.memory.queue.receive(LANE, count=1 if self.apart_s else 32, lease_s=60)
            for message in taken:
                shard = decode(ShardMessage, message.body).shard
                counts = {"items_done": str(shard.items), "items_failed": "0"}
                self.memory.blobs.create(layout.verdict(RUN, shard.shard_id), b"{}", metadata=counts)
                self.memory.queue.delete(message)
            if taken and time.monotonic() - nudged > NUDGE_EVERY_S:
                nudged = time.monotonic()
                self.nudge()
            time.sleep(self.apart_s or (0.0 if taken else 0.001))
        self.cpu_s = time.thread_time() - began

    def stop(self) -> None:
        self._stopping.set()


def main() -> int:
    """Measure and report."""
    fan_out(200, 0.0)  # imports, connections and caches are made ready
    small, large = fan_out(1_000, 0.0), fan_out(10_000, 0.0)
    slow = fan_out(10_000, 0.005)
    huge = fan_out(50_000, 0.0)
    slope = math.log10(large.cpu_s / small.cpu_s)
    longest = max(cost.history for cost in (small, large, slow, huge))
    for cost in (small, large, slow, huge):
        print(cost, flush=True)
    ms = 1000 * large.cpu_s / large.shards
    return report(
        [
            Goal(id="P6.1", title="fan-out, slope of cost from 1,000 to 10,000 shards", value=slope, bar=1.05, unit=""),
            Goal(id="P6.2", title="fan-out, history events of one generation", value=longest, bar=300, unit=""),
            Goal(id="P6.3", title="fan-out, processor time a shard", value=ms, bar=0.2, unit="ms"),
            Goal(id="P7", title="verdicts 5 ms apart against at once", value=slow.cpu_s / large.cpu_s, bar=2.0),
            Goal(id="P8", title="50,000 shards finish under default limits", value=huge.wall_s, bar=60.0, unit="s"),
        ]
    )


def fan_out(shards: int, apart_s: float) -> Cost:
    """Score that many shards; the cost begins when the orchestration is scheduled."""
    memory = planned(shards)
    with host(memory) as (client, worker, backend):
        workers = Workers(memory=memory, apart_s=apart_s, nudge=lambda: nudge(client))
        thread = threading.Thread(target=workers.run, daemon=True)
        cpu, wall = time.process_time(), time.monotonic()
        thread.start()
        order = ScoreShards(run_id=RUN, lane=Lane.NORMAL, policy=RunPolicy(), shards=shards, items=shards)
        client.schedule_new_orchestration(OrchestratorName.SCORE_SHARDS, input=encode(order), instance_id=RUN)
        ended = client.wait_for_orchestration_completion(RUN, timeout=LONGEST_S)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        workers.stop()
        thread.join()
        check(ended, shards)
        return Cost(
            shards=shards,
            cpu_s=worker.cpu_s,
            process_cpu_s=cpu - workers.cpu_s,
            wall_s=wall,
            history=backend.longest,
        )


def check(ended: Any, shards: int) -> None:
    """A wrong sum is no result."""
    if ended is None or ended.runtime_status.name != "COMPLETED":
        raise SystemExit(f"{shards} shards did not finish: {ended}")
    end = decode(ScoreEnd, json.loads(ended.serialized_output))
    if (end.items_done, end.failure) != (shards, None):
        raise SystemExit(f"{shards} shards ended as {end}")


def nudge(client: TaskHubGrpcClient) -> None:
    """Tell of news; a run that has just ended does not mind."""
    client.raise_orchestration_event(RUN, EventName.NUDGE)


def planned(shards: int) -> MemoryCloud:
    """A cloud in memory with a plan of shards of one item each."""
    memory = memory_cloud()
    memory.blobs.operations = Operations()
    memory.queue.operations = Operations()
    memory.pool.admit(1)
    source = RunSource(kind="http")
    record = RunRecord(
        run_id=RUN, source=source, created_at=memory.clock.now(), body="", body_bytes=0, body_sha256=None
    )
    memory.blobs.put(layout.request(RUN), encode_bytes(record))
    admitted = AdmittedRun(
        run_id=RUN,
        workload="style_transfer",
        options={},
        model=None,
        lane=Lane.NORMAL,
        policy=RunPolicy(),
        input_count=1,
        input_bytes=1,
        options_digest="0" * 64,
    )
    memory.blobs.put(layout.admission(RUN), encode_bytes(admitted))
    work: dict[str, Json] = {"from_pts": 123456, "until_pts": 234567, "key_pts": 123000}
    for page, first in enumerate(range(0, shards, SHARDS_PER_PAGE), start=1):
        lines = (
            encode_bytes(ShardSpec(shard_id=shard, input_index=0, first_item=shard, items=1, work=work))
            for shard in range(first, min(first + SHARDS_PER_PAGE, shards))
        )
        memory.blobs.put(layout.plan_page(RUN, page), b"\n".join(lines))
    return memory


@contextmanager
def host(memory: MemoryCloud) -> Iterator[tuple[TaskHubGrpcClient, TimedWorker, Backend]]:
    """A durable host over the cloud in memory."""
    ports = Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="",
        container_environment=TaskEnvironment(plain={}, secret={}),
    )
    backend = Backend()
    address = backend.start()
    quiet = logging.getLogger("benchmarks.durabletask")
    quiet.setLevel(logging.ERROR)
    worker = TimedWorker(host_address=address, emit_trace_spans=False, logger=quiet)
    for orchestrator in OrchestratorName:
        worker.add_orchestrator(getattr(orchestrations, orchestrator))
    for name, activity in activities(ports, Catalogue()).items():
        worker._registry.add_named_activity(name, activity)  # noqa: SLF001 - no public way to register under a name
    worker.start()  # type: ignore[no-untyped-call]  # durabletask declares no types here
    client = TaskHubGrpcClient(host_address=address, logger=quiet)
    try:
        yield client, worker, backend
    finally:
        client.close()
        worker.stop()  # type: ignore[no-untyped-call]  # as above
        backend.stop()


if __name__ == "__main__":
    sys.exit(main())
