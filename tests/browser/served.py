"""The page over a cloud in memory, served on loopback, and runs to look at."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from PIL import Image

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.boundary import Boundary
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.glance import glance_metadata
from dropscore.contracts.messages import poison_record
from dropscore.contracts.names import POISON_QUEUES, Lane, QueueName
from dropscore.contracts.plan import SHARDS_PER_PAGE, PlanIndex, ShardSpec
from dropscore.contracts.quarantine import Quarantined
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunState, RunStatus, StageTime, index_metadata
from dropscore.contracts.verdict import ItemTiming, Outcome, Verdict, WorkerFacts

WORKER = WorkerFacts(worker="node-1.worker-of-a-long-name-0", device="cpu (2 lanes)", code_version="0.1.0")
ITEMS = 4
"""Items of a shard."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """The address, and the storage behind it."""

    url: str
    memory: MemoryCloud

    def put_run(self, run_id: str, status: RunStatus, shards: int, **facts: object) -> None:
        """A run with a plan."""
        now = self.memory.clock.now()
        state = RunState(
            run_id=run_id,
            status=status,
            source=RunSource(kind="trigger", trigger_name="films/opening-night.json"),
            created_at=now,
            updated_at=now,
            workload="style_transfer",
            lane=Lane.NORMAL,
            stages=tuple(StageTime(status=one, at=now) for one in (RunStatus.PENDING, RunStatus.PLANNING, status)),
            items_total=shards * ITEMS,
            shards_total=shards,
        ).model_copy(update=facts)
        self.memory.blobs.put(layout.state(run_id), encode_bytes(state))
        self.memory.blobs.put(layout.index_entry(run_id), b"", metadata=index_metadata(state))
        specs = [ShardSpec(shard_id=n, input_index=0, first_item=n * ITEMS, items=ITEMS) for n in range(shards)]
        pages = [specs[first : first + SHARDS_PER_PAGE] for first in range(0, shards, SHARDS_PER_PAGE)]
        for number, page in enumerate(pages, start=1):
            self.memory.blobs.put(layout.plan_page(run_id, number), b"\n".join(map(encode_bytes, page)))
        index = PlanIndex(
            run_id=run_id,
            shards=shards,
            items=shards * ITEMS,
            pages=len(pages),
            inputs=(),
            shard_items=ITEMS,
            reason=".",
        )
        self.memory.blobs.put(layout.plan_index(run_id), encode_bytes(index))

    def settle(self, run_id: str, shard_id: int, outcome: Outcome = Outcome.DONE, attempt: int = 1) -> None:
        """A shard is scored, or failed."""
        good = outcome is Outcome.DONE
        first = shard_id * ITEMS
        verdict = Verdict(
            run_id=run_id,
            shard_id=shard_id,
            outcome=outcome,
            items_done=ITEMS if good else 0,
            items_failed=0 if good else ITEMS,
            failure=None if good else failure(Code.SHARD_FAILED),
            attempt=attempt,
            worker=WORKER,
            started_at=self.memory.clock.now(),
            duration_s=1.0,
            items=tuple(
                ItemTiming(item=first + n, decode_s=0.01 * n, predict_s=0.2) for n in range(ITEMS if good else 0)
            ),
            metrics={"picture": _picture(shard_id)} if good else {},
        )
        metadata = glance_metadata(verdict, self.memory.clock.now())
        self.memory.blobs.create(layout.verdict(run_id, shard_id), encode_bytes(verdict), metadata=metadata)

    def quarantine(self, run_id: str, shard_id: int) -> None:
        """The items of a shard failed for good."""
        shard = ShardSpec(shard_id=shard_id, input_index=0, first_item=shard_id * ITEMS, items=ITEMS)
        why = failure(Code.INPUT_CORRUPT, "The frame 13 cannot be decoded: invalid data.", item=13, input="films/a.mp4")
        entry = Quarantined(
            run_id=run_id,
            shard=shard,
            input="films/a.mp4",
            failure=why,
            attempts=3,
            worker=WORKER,
            at=self.memory.clock.now(),
        )
        self.memory.blobs.put(layout.quarantine(run_id, entry.range), encode_bytes(entry))

    def say(self, run_id: str, *messages: str, level: str = "info") -> None:
        """Add lines to a worker's log."""
        path = layout.log(run_id, "node-1.worker-of-a-long-name-0")
        before = b"" if self.memory.blobs.head(path) is None else self.memory.blobs.get(path).data
        lines = [{"at": self.memory.clock.now(), "level": level, "message": one, "item": 3} for one in messages]
        self.memory.blobs.put(path, before + b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def poison(self) -> None:
        """A message that nobody could read."""
        record = poison_record(
            QueueName.SHARDS_NORMAL, "it is no JSON", b"{junk", worker="w", at=self.memory.clock.now()
        )
        self.memory.queue.send(POISON_QUEUES[QueueName.SHARDS_NORMAL], record)


@contextmanager
def serve() -> Iterator[Served]:
    """The page on a free port of loopback."""
    memory = memory_cloud()
    ports = Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="cpu",
        container_environment=TaskEnvironment(plain={}, secret={}),
    )
    services = function_app.assemble(ports).services
    app = Boundary(create_api(lambda: services), memory.orchestrations)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the page is not served"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(url=f"http://127.0.0.1:{port}", memory=memory)
    finally:
        server.should_exit = True
        thread.join()


def _picture(shard_id: int) -> str:
    target = io.BytesIO()
    Image.new("RGB", (144, 81), (40 + shard_id % 200, 90, 160)).save(target, "JPEG")
    return base64.b64encode(target.getvalue()).decode()
