"""A cloud in memory with runs whose states tests write by hand, and sweeps over it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from activities.ports import Ports
from activities.sweeping.starting import Starts
from activities.sweeping.sweep import Sweep
from dropscore.api.starting import Starter
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.cloud.run_index import RunIndex
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.names import Lane
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import RunState, RunStatus, StageTime
from dropscore.contracts.sweep import SweepDeed, SweepReport

WARM_S = 60.0


@dataclass(kw_only=True)
class Yard:
    """What is swept, and who sweeps."""

    memory: MemoryCloud
    clock: ManualClock
    ports: Ports
    reports: list[SweepReport] = field(default_factory=list)

    def sweep(self, *, host: str = "here", after_s: float = 0.0) -> SweepReport | None:
        """Sweep once, `after_s` from now."""
        self.clock.advance(after_s)
        starter = Starter(self.memory.cloud)

        async def swept() -> SweepReport | None:
            starts = Starts(asyncio.get_running_loop(), self.memory.orchestrations, starter)
            return await asyncio.to_thread(Sweep(self.ports, host=host).sweep, starts)

        report = asyncio.run(swept())
        if report is not None:
            self.reports.append(report)
        return report

    def deeds(self, *, after_s: float = 0.0) -> list[tuple[SweepDeed, str]]:
        """What one sweep does, to what."""
        report = self.sweep(after_s=after_s)
        assert report is not None
        assert report.problems == ()
        return [(act.deed, act.target) for act in report.acts]

    def put_run(
        self, run_id: str, status: RunStatus = RunStatus.SCORING, *, cleaned: bool = False, **facts: Any
    ) -> None:
        """Store a run: request, state, list entry. Its orchestration is under way unless it has ended."""
        now = self.clock.now()
        source = RunSource(kind="http")
        record = RunRecord(run_id=run_id, source=source, created_at=now, body="{}", body_bytes=2, body_sha256=None)
        state = RunState(
            run_id=run_id,
            status=status,
            source=source,
            created_at=now,
            updated_at=now,
            lane=Lane.NORMAL,
            stages=(StageTime(status=status, at=now),),
            deadline_s=86_400.0,
        ).model_copy(update=facts)
        self.memory.blobs.put(layout.request(run_id), encode_bytes(record))
        self.memory.blobs.put(layout.state(run_id), encode_bytes(state))
        RunIndex(self.memory.blobs).put(state, cleaned=cleaned)
        if not status.ended:
            self.memory.orchestrations.started.append(run_id)

    def drop(self, name: str = "film.json", **fields: Any) -> None:
        """Put a trigger file where it belongs, and tell nobody."""
        request = {"workload": "style_transfer", "inputs": ["film.mp4"]} | fields
        self.memory.blobs.put(layout.trigger(name), json.dumps(request).encode())


def shard_message(run_id: str, shard_id: int = 0) -> bytes:
    shard = ShardSpec(shard_id=shard_id, input_index=0, first_item=0, items=1)
    return encode_bytes(ShardMessage(run_id=run_id, shard=shard))


@pytest.fixture
def yard() -> Yard:
    clock = ManualClock()
    memory = memory_cloud(clock)
    ports = Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="cpu",
        container_environment=TaskEnvironment(plain={}, secret={}),
        warm_s=WARM_S,
    )
    return Yard(memory=memory, clock=clock, ports=ports)


@pytest.fixture
def message() -> Callable[..., bytes]:
    """Makes the message of a shard of a run."""
    return shard_message
