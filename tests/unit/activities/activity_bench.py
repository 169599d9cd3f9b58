"""A run in memory: its request stored, its inputs and model there, and every activity over the twins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activities.ports import Ports
from activities.registered import Activity
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.base import Contract
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.failures import Failure
from dropscore.contracts.glance import glance_metadata
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.names import ActivityName, Lane
from dropscore.contracts.package import ModelPackage
from dropscore.contracts.plan import SHARDS_PER_PAGE, PlanIndex, ShardSpec
from dropscore.contracts.request import AdmittedRun, RunPolicy, RunRecord, RunSource
from dropscore.contracts.run import RunState, RunStatus, StageTime
from dropscore.contracts.verdict import Outcome, Verdict, WorkerFacts

RUN = "film-0123456789abcdef"
WARM_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The twins, and the activities over them."""

    memory: MemoryCloud
    clock: ManualClock
    registered: Mapping[ActivityName, Activity]

    def call[R: Contract](self, name: ActivityName, payload: Contract, result: type[R]) -> R:
        """Call an activity as its host does: with plain JSON, both ways."""
        answer = self.registered[name](None, json.loads(json.dumps(encode(payload))))
        return decode(result, json.loads(json.dumps(answer)))

    def ask(self, body: str, *, trigger: str | None = "film.json", refusal: Failure | None = None) -> None:
        """Store a request."""
        source = RunSource(kind="http") if trigger is None else RunSource(kind="trigger", trigger_name=trigger)
        record = RunRecord(
            run_id=RUN,
            source=source,
            created_at=self.clock.now(),
            body=body,
            body_bytes=len(body),
            body_sha256=sha256_hex(body.encode()),
            refusal=refusal,
        )
        self.memory.blobs.put(layout.request(RUN), encode_bytes(record))

    def ask_for(self, **fields: Any) -> None:
        """Store a request for style transfer of `film.mp4`, but for `fields`."""
        self.ask(json.dumps({"workload": "style_transfer", "inputs": ["film.mp4"]} | fields))

    def upload(self, *names: str, data: bytes = b"bytes") -> None:
        """Put inputs into their container."""
        for name in names:
            self.memory.blobs.put(layout.input_file(name), data)

    def package(self, name: str = "mosaic-night", version: str = "1", **fields: Any) -> str:
        """Register a model package with the alias `stable`; returns its digest."""
        package = ModelPackage(
            name=name,
            version=version,
            workload=fields.pop("workload", "style_transfer"),
            title="A style",
            architecture="none",
            files=(),
            licence="MIT",
        )
        data = encode_bytes(package)
        self.memory.blobs.put(layout.package(name, version), data)
        self.memory.blobs.put(layout.model_alias(name, "stable"), json.dumps({"version": version}).encode())
        return sha256_hex(data)

    def admit(self, *, replay_of: str | None = None) -> None:
        """Store an admission, as the activity of that name does."""
        admitted = AdmittedRun(
            run_id=RUN,
            workload="style_transfer",
            options={},
            model=None,
            lane=Lane.NORMAL,
            policy=RunPolicy(),
            input_count=1,
            input_bytes=5,
            options_digest=sha256_hex(b"{}"),
            replay_of=replay_of,
        )
        self.memory.blobs.put(layout.admission(RUN), encode_bytes(admitted))

    def enter(self, status: RunStatus, **facts: Any) -> RunState:
        """Write the run's state as if it had come to a status."""
        now = self.clock.now()
        state = RunState(
            run_id=RUN,
            status=status,
            source=RunSource(kind="trigger", trigger_name="film.json"),
            created_at=now,
            updated_at=now,
            stages=(StageTime(status=status, at=now),),
        ).model_copy(update=facts)
        self.memory.blobs.put(layout.state(RUN), encode_bytes(state))
        return state

    def state(self) -> RunState:
        """The state as stored."""
        return decode(RunState, self.memory.blobs.get(layout.state(RUN)).data)

    def listed(self) -> Mapping[str, str]:
        """The run's entry in the list of runs."""
        info = self.memory.blobs.head(layout.index_entry(RUN))
        assert info is not None
        return info.metadata

    def plan(self, shards: int, *, items: int = 10, refused: tuple[Failure, ...] = ()) -> PlanIndex:
        """Write a plan of shards of `items` items each."""
        pages = range(0, shards, SHARDS_PER_PAGE)
        for page, first in enumerate(pages, start=1):
            specs = (
                ShardSpec(shard_id=number, input_index=0, first_item=number * items, items=items)
                for number in range(first, min(first + SHARDS_PER_PAGE, shards))
            )
            self.memory.blobs.put(layout.plan_page(RUN, page), b"\n".join(encode_bytes(spec) for spec in specs))
        index = PlanIndex(
            run_id=RUN,
            shards=shards,
            items=shards * items,
            pages=len(pages),
            inputs=(),
            refused=refused,
            shard_items=items,
            reason="as said",
        )
        self.memory.blobs.put(layout.plan_index(RUN), encode_bytes(index))
        return index

    def settle(self, *shards: int, done: int = 10, failed: int = 0, metadata: bool = True) -> None:
        """Write verdicts, as a worker does."""
        for shard_id in shards:
            verdict = Verdict(
                run_id=RUN,
                shard_id=shard_id,
                outcome=Outcome.DONE if done else Outcome.FAILED,
                items_done=done,
                items_failed=failed,
                worker=WorkerFacts(worker="w", device="cpu", code_version="0"),
                started_at=self.clock.now(),
                duration_s=1.0,
            )
            facts = glance_metadata(verdict, self.clock.now())
            path = layout.verdict(RUN, shard_id)
            self.memory.blobs.create(path, encode_bytes(verdict), metadata=facts if metadata else None)


def ports_of(memory: MemoryCloud) -> Ports:
    """The twins as the activities get them."""
    return Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="dropscore/cpu:1",
        container_environment=TaskEnvironment(plain={"A": "1"}, secret={"KEY": "secret"}),
    )
