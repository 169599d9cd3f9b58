"""The workers through the API."""

import pytest
from api_client import ApiClient
from stored_insides import Inside
from stored_runs import put_run

from dropscore.api.insight.workers import FRESH_S, SILENT_S
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.http.items import ShardGrid, WorkerDocument, WorkerList
from dropscore.contracts.worker_sign import WorkerSign, WorkerState, WorkerTask, sign_metadata

RUN, OTHER = "run-1", "run-2"


def sign(memory: MemoryCloud, worker: str, **shards: tuple[int, ...]) -> None:
    """A worker tells what it scores; run ids with underscores."""
    tasks = tuple(WorkerTask(run_id=run.replace("_", "-"), shards=ids) for run, ids in shards.items())
    told = WorkerSign(
        device="cuda:0 (H200)",
        state=WorkerState.SCORING if tasks else WorkerState.IDLE,
        tasks=tasks,
        items_per_s=12.5 if tasks else None,
        seen_at=memory.clock.now(),
    )
    memory.blobs.put(layout.worker_sign(worker), b"", metadata=sign_metadata(told))


def listed(api: ApiClient, path: str) -> list[WorkerDocument]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return list(decode(WorkerList, answer.content).workers)


@pytest.fixture
def busy(memory: MemoryCloud) -> MemoryCloud:
    """Two runs; a worker that scores both, one that scores the second, one with nothing to do."""
    put_run(memory, RUN)
    put_run(memory, OTHER)
    sign(memory, "w1", run_1=(3, 4), run_2=(0,))
    sign(memory, "w2", run_2=(1,))
    sign(memory, "w3")
    return memory


def test_every_worker_is_listed_with_what_it_scores(busy: MemoryCloud, api: ApiClient) -> None:
    workers = listed(api, "/api/v1/workers")
    assert [(one.worker, one.state, one.run_id, one.shards) for one in workers] == [
        ("w1", "scoring", RUN, (3, 4)),
        ("w2", "scoring", OTHER, (1,)),
        ("w3", "idle", None, ()),
    ]
    assert (workers[0].device, workers[0].items_per_s) == ("cuda:0 (H200)", 12.5)


def test_a_run_lists_those_that_work_for_it(busy: MemoryCloud, api: ApiClient) -> None:
    assert [(one.worker, one.shards) for one in listed(api, f"/api/v1/runs/{RUN}/workers")] == [("w1", (3, 4))]
    assert [one.worker for one in listed(api, f"/api/v1/runs/{OTHER}/workers")] == ["w1", "w2"]


def test_the_grid_shows_what_is_being_scored(busy: MemoryCloud, api: ApiClient) -> None:
    inside = Inside(memory=busy, run_id=RUN)
    inside.plan(4)
    inside.done(0)
    grid = decode(ShardGrid, api.get(f"/api/v1/runs/{RUN}/shards").content)
    assert grid.states == "d..w"


def test_a_worker_that_was_not_heard_of_is_not_listed(busy: MemoryCloud, clock: ManualClock, api: ApiClient) -> None:
    clock.advance(SILENT_S - 1)
    sign(busy, "w2", run_2=(1,))
    assert len(listed(api, "/api/v1/workers")) == 3
    clock.advance(FRESH_S)
    assert [one.worker for one in listed(api, "/api/v1/workers")] == ["w2"]


def test_a_sign_of_another_version_is_passed_over(busy: MemoryCloud, api: ApiClient) -> None:
    busy.blobs.put(layout.worker_sign("w0"), b"", metadata={"sign": '{"schema_version": 2}'})
    busy.blobs.put(layout.worker_sign("w9"), b"")
    assert [one.worker for one in listed(api, "/api/v1/workers")] == ["w1", "w2", "w3"]


def test_many_that_look_cost_one_listing_a_second(busy: MemoryCloud, api: ApiClient) -> None:
    for _ in range(10):
        listed(api, "/api/v1/workers")
        listed(api, f"/api/v1/runs/{RUN}/workers")
    assert busy.blobs.operations.counts()["blob.list"] == 1


def test_an_unknown_run_has_no_workers(api: ApiClient) -> None:
    assert api.get("/api/v1/runs/nobody/workers").status_code == 404
