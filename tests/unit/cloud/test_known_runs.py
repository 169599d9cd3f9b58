"""The list of runs as one process knows it."""

import pytest

from dropscore.cloud.clock import ManualClock
from dropscore.cloud.known_runs import FORGET_S, FRESH_S, LINGER_S, MOST_NOTED, KnownRuns, with_known_runs
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.cloud.operations import Operation
from dropscore.cloud.ports import Cloud
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunState, RunStatus


def state(run_id: str, status: RunStatus = RunStatus.SCORING) -> RunState:
    at = "2026-01-01T00:00:00.000000Z"
    return RunState(run_id=run_id, status=status, source=RunSource(kind="http"), created_at=at, updated_at=at)


def statuses(known: KnownRuns) -> dict[str, str]:
    return {entry.state.run_id: entry.state.status.value for entry in known.entries()}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory(clock: ManualClock) -> MemoryCloud:
    return memory_cloud(clock)


@pytest.fixture
def ours(memory: MemoryCloud) -> tuple[Cloud, KnownRuns]:
    """The cloud of one process, and what it knows."""
    return with_known_runs(memory.cloud)


def test_what_this_process_writes_is_known_at_once(memory: MemoryCloud, ours: tuple[Cloud, KnownRuns]) -> None:
    cloud, known = ours
    index = RunIndex(cloud.blobs)
    assert statuses(known) == {}
    index.create(state("run-1"))
    assert statuses(known) == {"run-1": "scoring"}
    index.put(state("run-1", RunStatus.SUCCEEDED))
    assert statuses(known) == {"run-1": "succeeded"}
    index.remove("run-1")
    assert statuses(known) == {}
    assert memory.blobs.operations.counts()["blob.list"] == 1


def test_what_another_process_writes_is_known_after_a_moment(
    memory: MemoryCloud, clock: ManualClock, ours: tuple[Cloud, KnownRuns]
) -> None:
    _, known = ours
    assert statuses(known) == {}
    RunIndex(memory.blobs).create(state("run-1"))
    assert statuses(known) == {}
    clock.advance(FRESH_S + LINGER_S)
    assert statuses(known) == {"run-1": "scoring"}


def test_an_entry_that_was_there_is_not_created_over(memory: MemoryCloud, ours: tuple[Cloud, KnownRuns]) -> None:
    cloud, known = ours
    RunIndex(memory.blobs).create(state("run-1", RunStatus.SUCCEEDED))
    RunIndex(cloud.blobs).create(state("run-1"))
    assert statuses(known) == {"run-1": "succeeded"}


def test_a_write_in_the_middle_of_a_listing_is_not_lost(
    memory: MemoryCloud, clock: ManualClock, ours: tuple[Cloud, KnownRuns]
) -> None:
    cloud, known = ours
    statuses(known)
    clock.advance(FRESH_S + LINGER_S)

    def meanwhile(operation: Operation) -> None:
        if operation.kind == "blob.list":
            memory.blobs.operations.interrupt = None
            clock.advance(0.1)
            RunIndex(cloud.blobs).create(state("run-1"))
            memory.blobs.delete(layout.index_entry("run-1"))  # as if the page that holds it had been read before

    memory.blobs.operations.interrupt = meanwhile
    assert statuses(known) == {"run-1": "scoring"}


def test_entries_that_cannot_be_read_are_left_out(memory: MemoryCloud, ours: tuple[Cloud, KnownRuns]) -> None:
    memory.blobs.put(layout.index_entry("run-1"), b"")
    assert statuses(ours[1]) == {}


def test_other_blobs_are_no_news_of_runs(ours: tuple[Cloud, KnownRuns]) -> None:
    cloud, known = ours
    cloud.blobs.put(layout.state("run-1"), b"{}")
    cloud.blobs.delete(layout.state("run-1"))
    assert statuses(known) == {}


def test_writes_are_forgotten_where_nobody_asks_for_the_list(
    memory: MemoryCloud, clock: ManualClock, ours: tuple[Cloud, KnownRuns]
) -> None:
    cloud, known = ours
    for number in range(MOST_NOTED):
        RunIndex(cloud.blobs).put(state(f"run-{number}"))
    clock.advance(FORGET_S)
    RunIndex(cloud.blobs).put(state("run-last"))
    assert len(known._noted) == 1
    assert len(statuses(known)) == MOST_NOTED + 1
