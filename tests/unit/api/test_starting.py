import asyncio
import json
from typing import Any

import pytest

from dropscore.api.starting import Starter
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.names import ContainerName
from dropscore.contracts.request import MAX_REQUEST_BYTES, RunRecord
from dropscore.contracts.run import Rejection, RunStatus, pending

NAME = "nightly/film #1 ü.json"


def drop(memory: MemoryCloud, data: bytes = b"holiday", name: str = NAME) -> None:
    memory.blobs.put(layout.trigger(name), data)


def start(starter: Starter, memory: MemoryCloud, name: str = NAME) -> str | None:
    return asyncio.run(starter.start_by_trigger(name, memory.orchestrations))


def record_of(memory: MemoryCloud, run_id: str | None) -> RunRecord:
    assert run_id is not None
    return decode(RunRecord, memory.blobs.get(layout.request(run_id)).data)


def test_trigger_starts_a_run_that_remembers_it(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)
    run_id = start(starter, memory)
    record = record_of(memory, run_id)
    assert memory.orchestrations.started == [run_id]
    assert (record.source.trigger_name, record.body) == (NAME, "holiday")
    assert run_id is not None
    assert run_id.startswith("film-1-")


def test_second_trigger_with_same_etag_starts_nothing(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)
    runs = {start(starter, memory) for _ in range(50)}
    assert len(runs) == 1
    assert len(memory.orchestrations.started) == 1


def test_events_at_once_start_one_run(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)

    async def at_once() -> list[str | None]:
        return await asyncio.gather(*(starter.start_by_trigger(NAME, memory.orchestrations) for _ in range(20)))

    assert len(set(asyncio.run(at_once()))) == 1
    assert len(memory.orchestrations.started) == 1


def test_trigger_dropped_again_is_a_new_run(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)
    first = start(starter, memory)
    drop(memory)
    assert start(starter, memory) != first


def test_trigger_that_is_gone_is_told_in_rejected(starter: Starter, memory: MemoryCloud) -> None:
    assert start(starter, memory) is None
    told = decode(Rejection, memory.blobs.get(layout.rejected(NAME)).data)
    assert (told.failures[0].code, told.run_id) == (Code.TRIGGER_GONE, None)
    assert memory.orchestrations.started == []


def test_large_trigger_is_refused_without_being_read(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory, b" " * (MAX_REQUEST_BYTES + 1))
    record = record_of(memory, start(starter, memory))
    assert record.body is None
    assert record.refusal is not None
    assert record.refusal.code is Code.REQUEST_TOO_LARGE
    assert memory.blobs.operations.counts().get("blob.get", 0) == 1  # the test's own


@pytest.mark.parametrize("data", ["é".encode("utf-16"), b"\xff\xfe"])
def test_bytes_that_are_no_text_are_refused_with_the_place(starter: Starter, memory: MemoryCloud, data: bytes) -> None:
    drop(memory, data)
    record = record_of(memory, start(starter, memory))
    assert record.refusal is not None
    assert "see byte 0" in record.refusal.message


def test_trigger_replaced_while_read_starts_the_later_version(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory, b"first")
    replaced: list[Any] = []

    def interrupt(operation: Any) -> None:
        if operation.kind == "blob.get" and not replaced:
            replaced.append(operation)
            drop(memory, b"second")

    memory.blobs.operations.interrupt = interrupt
    assert record_of(memory, start(starter, memory)).body == "second"


def test_trigger_deleted_while_read_is_gone(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)

    def interrupt(operation: Any) -> None:
        if operation.kind == "blob.get":
            memory.blobs.delete(layout.trigger(NAME))

    memory.blobs.operations.interrupt = interrupt
    assert start(starter, memory) is None


def test_trigger_that_never_holds_still_is_tried_again_by_the_host(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)

    def interrupt(operation: Any) -> None:
        if operation.kind == "blob.get":
            drop(memory)

    memory.blobs.operations.interrupt = interrupt
    with pytest.raises(TransientCloudError):
        start(starter, memory)


@pytest.mark.parametrize("crash_at", [1, 2, 3])
def test_run_is_started_after_a_crash_at_any_point(starter: Starter, memory: MemoryCloud, crash_at: int) -> None:
    drop(memory)
    left = [crash_at]

    def interrupt(operation: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise TransientCloudError("crash")

    memory.blobs.operations.interrupt = interrupt
    with pytest.raises(TransientCloudError):
        start(starter, memory)
    memory.blobs.operations.interrupt = None
    run_id = start(starter, memory)
    assert memory.orchestrations.started == [run_id]


def test_record_without_an_orchestration_is_scheduled_by_the_next_event(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)
    run_id = start(starter, memory)
    memory.orchestrations.started.clear()
    assert start(starter, memory) == run_id
    assert memory.orchestrations.started == [run_id]


def test_event_about_an_ended_run_starts_nothing(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)
    run_id = start(starter, memory)
    ended = pending(record_of(memory, run_id)).model_copy(update={"status": RunStatus.REJECTED})
    memory.blobs.put(layout.state(ended.run_id), encode_bytes(ended))
    memory.orchestrations.started.clear()
    start(starter, memory)
    assert memory.orchestrations.started == []


def test_later_event_does_not_set_the_listed_status_back(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory)
    run_id = start(starter, memory)
    assert run_id is not None
    memory.blobs.put(layout.index_entry(run_id), b"", metadata={"status": "scoring"})
    start(starter, memory)
    info = memory.blobs.head(layout.index_entry(run_id))
    assert info is not None
    assert info.metadata["status"] == "scoring"


def test_poisoned_trigger_is_told_in_rejected(starter: Starter, memory: MemoryCloud) -> None:
    starter.reject_poison("film.json")
    text = memory.blobs.get(layout.rejected("film.json")).data
    assert json.loads(text)["failures"][0]["code"] == "E-TRIGGER-POISON"
    assert memory.blobs.names(ContainerName.TRIGGERS) == ()
