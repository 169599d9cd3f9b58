"""Runs as they lie in storage, written by hand."""

from typing import Any

from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.names import Lane
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunState, RunStatus, StageTime, index_metadata


def put_run(memory: MemoryCloud, run_id: str, status: RunStatus = RunStatus.SCORING, **facts: Any) -> RunState:
    """Store the state of a run and its entry in the list."""
    now = memory.clock.now()
    state = RunState(
        run_id=run_id,
        status=status,
        source=RunSource(kind="trigger", trigger_name="ünïcode.json"),
        created_at=now,
        updated_at=now,
        workload="style_transfer",
        lane=Lane.NORMAL,
        stages=(StageTime(status=RunStatus.PENDING, at=now),),
    ).model_copy(update=facts)
    memory.blobs.put(layout.state(run_id), encode_bytes(state))
    memory.blobs.put(layout.index_entry(run_id), b"", metadata=index_metadata(state))
    return state
