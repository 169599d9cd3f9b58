import asyncio
import json
from typing import Any

import pytest

from dropscore.api.starting import Starter
from dropscore.cloud.clock import ManualClock
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


@pytest.mark.fault(7)
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
            raise RuntimeError("crash")

    memory.blobs.operations.interrupt = interrupt
    with pytest.raises(RuntimeError):
        start(starter, memory)
    memory.blobs.operations.interrupt = None
    run_id = start(starter, memory)
    assert memory.orchestrations.started == [run_id]


@pytest.mark.fault(24)
def test_trigger_waits_for_a_storage_that_does_not_answer(
    starter: Starter, memory: MemoryCloud, clock: ManualClock
) -> None:
    """Five failed deliveries would give the trigger up, within seconds."""
    drop(memory)
    gone_until = clock.monotonic() + 200.0

    def interrupt(operation: Any) -> None:
        if clock.monotonic() < gone_until:
            raise TransientCloudError("no answer")

    memory.blobs.operations.interrupt = interrupt
    assert memory.orchestrations.started == [start(starter, memory)]


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


HALF = b'{"workload": "style_transfer", "inputs": ["fi'
WHOLE = b'{"workload": "style_transfer", "inputs": ["film.mp4"]}'


@pytest.mark.fault(3)
def test_trigger_rewritten_is_another_run_that_names_the_one_before(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory, b"holiday")
    first = start(starter, memory)
    drop(memory, b"journey")
    second = record_of(memory, start(starter, memory))
    assert second.source.follows == first
    assert record_of(memory, first).body == "holiday", "the first goes on with what it was asked"
    drop(memory, b"return")
    assert record_of(memory, start(starter, memory)).source.follows == second.run_id


@pytest.mark.fault(4)
def test_event_of_a_trigger_deleted_after_its_run_began_is_a_duplicate_and_no_fault(
    starter: Starter, memory: MemoryCloud
) -> None:
    drop(memory)
    info = memory.blobs.head(layout.trigger(NAME))
    run_id = start(starter, memory)
    memory.blobs.delete(layout.trigger(NAME))
    assert info is not None
    late = asyncio.run(starter.start_by_trigger(NAME, memory.orchestrations, etag=info.etag))
    assert late == run_id
    assert memory.blobs.names(ContainerName.REJECTED) == ()


@pytest.mark.fault(4)
def test_event_of_a_version_that_nobody_has_seen_says_that_it_is_gone(starter: Starter, memory: MemoryCloud) -> None:
    assert asyncio.run(starter.start_by_trigger(NAME, memory.orchestrations, etag="0x99")) is None
    told = decode(Rejection, memory.blobs.get(layout.rejected(NAME)).data)
    assert told.failures[0].code is Code.TRIGGER_GONE
    assert told.run_id is not None


@pytest.mark.fault(5)
@pytest.mark.parametrize("early", [b"", b"  \n", HALF, b"{", b'{"a": "}', WHOLE[:-1]])
def test_trigger_that_is_still_being_written_is_waited_for(
    starter: Starter, memory: MemoryCloud, clock: ManualClock, early: bytes
) -> None:
    drop(memory, early)

    def finish_writing(operation: Any) -> None:
        if clock.monotonic() >= 4.0 and operation.kind == "blob.head":
            memory.blobs.operations.interrupt = None
            drop(memory, WHOLE)

    memory.blobs.operations.interrupt = finish_writing
    record = record_of(memory, start(starter, memory))
    assert record.body == WHOLE.decode()
    assert 4.0 <= clock.monotonic() < 10.0
    assert memory.orchestrations.started == [record.run_id], "never on a part of it"


@pytest.mark.fault(5)
@pytest.mark.parametrize("early", [b"", HALF])
def test_trigger_that_stays_unfinished_is_taken_as_it_is_after_ten_seconds(
    starter: Starter, memory: MemoryCloud, clock: ManualClock, early: bytes
) -> None:
    drop(memory, early)
    assert record_of(memory, start(starter, memory)).body == early.decode()
    assert clock.monotonic() == pytest.approx(10.0, abs=1.5)


@pytest.mark.fault(5)
@pytest.mark.parametrize("text", [WHOLE, b"holiday", b'{"a": 1}}', b"{not json}", b'{"a": "\\"{"}'])
def test_trigger_that_looks_finished_is_not_waited_for(
    starter: Starter, memory: MemoryCloud, clock: ManualClock, text: bytes
) -> None:
    drop(memory, text)
    start(starter, memory)
    assert clock.monotonic() == 0.0


@pytest.mark.parametrize(
    ("name", "tenant"),
    [("ours/film.json", "ours"), ("Ours/2026/film.json", "ours"), ("film.json", None), ("o_u/film.json", None)],
)
def test_a_trigger_in_a_tenants_folder_is_the_tenants(memory: MemoryCloud, name: str, tenant: str | None) -> None:
    drop(memory, name=name)
    run_id = start(Starter(memory.cloud, tenants=True), memory, name)
    assert record_of(memory, run_id).source.tenant == tenant
    entry = memory.blobs.head(layout.index_entry(run_id or ""))
    assert entry is not None
    assert entry.metadata["tenant"] == (tenant or "")


def test_without_tenants_folders_of_triggers_mean_nothing(starter: Starter, memory: MemoryCloud) -> None:
    drop(memory, name="ours/film.json")
    assert record_of(memory, start(starter, memory, "ours/film.json")).source.tenant is None
