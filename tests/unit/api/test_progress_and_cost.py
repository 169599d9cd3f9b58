"""What a run's document tells of its progress and cost."""

import pytest
from api_client import ApiClient
from stored_insides import Inside
from stored_runs import put_run

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.insight.boards import FRESH_S
from dropscore.cloud.api_settings import Price
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts.codec import decode
from dropscore.contracts.http.runs import Cost, RunDocument, RunPage
from dropscore.contracts.run import RunStatus

RUN = "run-1"


@pytest.fixture
def inside(memory: MemoryCloud) -> Inside:
    """A run of twenty shards with ten items each, as its orchestration last saw it: nothing is settled."""
    put_run(memory, RUN, items_total=200, shards_total=20)
    inside = Inside(memory=memory, run_id=RUN)
    inside.plan(20)
    return inside


def told(api: ApiClient) -> RunDocument:
    answer = api.get(f"/api/v1/runs/{RUN}")
    assert answer.status_code == 200, answer.text
    return decode(RunDocument, answer.content)


def score(inside: Inside, clock: ManualClock, *shards: int) -> None:
    """One shard a second."""
    for shard_id in shards:
        clock.advance(1.0)
        inside.done(shard_id)


def test_a_run_tells_rate_and_end_from_the_third_shard_on(inside: Inside, clock: ManualClock, api: ApiClient) -> None:
    score(inside, clock, 0, 1)
    early = told(api).progress
    assert early is not None
    assert (early.items_done, early.percent, early.rate_per_s, early.eta_s) == (20, 10.0, None, None)
    score(inside, clock, 2, 3, 4)
    later = told(api).progress
    assert later is not None
    assert (later.items_done, later.percent) == (50, 25.0)
    assert later.rate_per_s == pytest.approx(10)
    assert later.eta_s == pytest.approx(15)


def test_a_document_is_ahead_of_what_the_orchestration_has_counted(
    inside: Inside, clock: ManualClock, api: ApiClient
) -> None:
    score(inside, clock, 0)
    inside.failed(1)
    run = told(api)
    assert (run.items_done, run.items_failed, run.shards_settled) == (10, 10, 2)


@pytest.mark.parametrize("facts", [{"status": RunStatus.STITCHING}, {"suspended_at": "2026-01-01T00:00:00.000000Z"}])
def test_no_end_is_told_of_a_run_that_is_not_being_scored(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient, facts: dict[str, str]
) -> None:
    score(inside, clock, *range(5))
    put_run(memory, RUN, **{"items_total": 200, "items_done": 50, **facts})
    progress = told(api).progress
    assert progress is not None
    assert (progress.percent, progress.rate_per_s, progress.eta_s) == (25.0, None, None)


def test_a_run_without_a_plan_has_no_progress(memory: MemoryCloud, api: ApiClient) -> None:
    put_run(memory, RUN, RunStatus.PLANNING)
    assert told(api).progress is None


def test_results_that_another_run_paid_for_cost_nothing_and_are_no_pace(
    inside: Inside, clock: ManualClock, api: ApiClient
) -> None:
    for shard_id in range(15):
        inside.done(shard_id, kept=True)
    score(inside, clock, 15, 16)
    run = told(api)
    assert run.progress is not None
    assert (run.items_done, run.progress.rate_per_s) == (170, None)
    assert run.cost is not None
    assert run.cost.worker_s == pytest.approx(2.0)


def test_cost_is_worker_time_and_no_money_where_no_price_is_known(
    inside: Inside, clock: ManualClock, api: ApiClient
) -> None:
    inside.done(0, duration_s=90.0)
    inside.done(1, duration_s=30.5)
    cost = told(api).cost
    assert cost is not None
    assert (cost.worker_s, cost.estimate, cost.currency) == (pytest.approx(120.5), None, None)


def test_cost_is_estimated_where_a_price_is_known(inside: Inside, memory: MemoryCloud, ports: Ports) -> None:
    services = function_app.assemble(ports, price=Price(per_hour=3.6, currency="EUR")).services
    inside.done(0, duration_s=250.0)
    cost = told(ApiClient(create_api(lambda: services), memory.orchestrations)).cost
    assert cost is not None
    assert (cost.estimate, cost.currency, cost.price_per_hour) == (pytest.approx(0.25), "EUR", 3.6)


def test_a_list_tells_progress_without_looking_into_any_run(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    put_run(memory, RUN, items_total=200, items_done=50, items_failed=10, worker_s=12.3456)
    memory.blobs.operations.clear()
    (run,) = decode(RunPage, api.get("/api/v1/runs").content).runs
    assert run.progress is not None
    assert (run.progress.percent, run.items_failed, run.cost) == (30.0, 10, Cost(worker_s=12.346))
    assert memory.blobs.operations.counts() == {"blob.list": 1}


def test_fifty_that_poll_cost_one_listing_a_second(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    for _ in range(50):
        told(api)
    clock.advance(FRESH_S)
    told(api)
    assert memory.blobs.operations.counts()["blob.list"] == 2


def test_a_listing_goes_on_behind_what_is_settled(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    for shard_id in (0, 1, 2, 5):
        inside.done(shard_id)
    told(api)
    listed: list[str | None] = []
    ask = memory.blobs.list

    def listing(*args: object, **options: object) -> object:
        listed.append(str(options.get("start_from")))
        return ask(*args, **options)  # type: ignore[arg-type]

    memory.blobs.list = listing  # type: ignore[method-assign,assignment]
    score(inside, clock, 3)
    assert told(api).items_done == 50
    assert listed == [f"{RUN}/verdicts/000003.json"]


def test_an_ended_run_is_looked_at_once_and_no_more(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    score(inside, clock, 0, 1)
    told(api)
    inside.done(2)
    put_run(memory, RUN, RunStatus.CANCELLED, items_total=200, worker_s=3.0)
    memory.blobs.operations.clear()
    for _ in range(3):
        clock.advance(10.0)
        cost = told(api).cost
        assert cost is not None
        assert cost.worker_s == pytest.approx(3.0)
        assert api.get(f"/api/v1/runs/{RUN}/shards").json()["states"].startswith("ddd.")
    assert memory.blobs.operations.counts()["blob.list"] == 1


def test_the_cost_of_a_run_that_has_ended_is_in_its_state(memory: MemoryCloud, api: ApiClient) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED, items_total=200, worker_s=77.5)
    assert told(api).cost == Cost(worker_s=77.5)
    assert "blob.list" not in memory.blobs.operations.counts()
