"""The shards and items of a run through the API."""

import csv
import io

import pytest
from api_client import ApiClient
from stored_insides import Inside
from stored_runs import put_run

from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.http.items import ItemPage, ShardGrid

RUN = "run-1"
SHARDS = f"/api/v1/runs/{RUN}/shards"
ITEMS = f"/api/v1/runs/{RUN}/items"


@pytest.fixture
def inside(memory: MemoryCloud) -> Inside:
    """A run of five shards with ten items each, of which four are settled in four ways."""
    put_run(memory, RUN)
    inside = Inside(memory=memory, run_id=RUN)
    inside.plan(5)
    inside.done(0)
    inside.done(1, attempt=2)
    inside.split(2, 24)
    inside.failed(3)
    return inside


def page(api: ApiClient, **query: str) -> ItemPage:
    answer = api.get(ITEMS, **query)
    assert answer.status_code == 200, answer.text
    return decode(ItemPage, answer.content)


def walk(api: ApiClient, **query: str) -> list[int]:
    """Items of all pages."""
    found: list[int] = []
    after: dict[str, str] = {}
    while True:
        one = page(api, **query, **after)
        found += [item.item for item in one.items]
        if one.next is None:
            return found
        after = {"after": one.next}


def test_the_grid_has_a_letter_for_each_shard(inside: Inside, api: ApiClient) -> None:
    grid = decode(ShardGrid, api.get(SHARDS).content)
    assert inside.shards == grid.shards_total == 5
    assert grid.states == "drsf."
    assert grid.counts == {".": 1, "d": 1, "f": 1, "r": 1, "s": 1}
    assert grid.first_items == (0, 10, 20, 30, 40)


def test_a_run_without_a_plan_has_an_empty_grid_and_no_items(memory: MemoryCloud, api: ApiClient) -> None:
    put_run(memory, RUN)
    assert decode(ShardGrid, api.get(SHARDS).content).states == ""
    assert page(api).items == ()


@pytest.mark.parametrize("path", [SHARDS, ITEMS, f"{ITEMS}.csv"])
def test_an_unknown_run_has_no_inside(api: ApiClient, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "E-RUN-UNKNOWN")


def test_many_that_look_cost_one_listing_a_second(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    for _ in range(20):
        api.get(SHARDS)
    listings = [str(layout.verdicts_prefix(RUN)), str(layout.worker_signs_prefix())]
    assert sorted(memory.blobs.operations.targets("blob.list")) == sorted(listings)
    inside.done(4)
    assert decode(ShardGrid, api.get(SHARDS).content).states == "drsf."
    clock.advance(1.0)
    assert decode(ShardGrid, api.get(SHARDS).content).states == "drsfd"
    assert sorted(memory.blobs.operations.targets("blob.list")) == sorted(2 * listings)


def test_the_grid_reads_no_verdict_whose_metadata_tell(inside: Inside, memory: MemoryCloud, api: ApiClient) -> None:
    api.get(SHARDS)
    assert inside.shards == 5
    assert not [path for path in memory.blobs.operations.targets("blob.get") if "/verdicts/" in path]


def test_a_verdict_without_metadata_is_read_once(
    inside: Inside, memory: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    bare = layout.verdict(RUN, 0)
    memory.blobs.put(bare, memory.blobs.get(bare).data)
    memory.blobs.operations.clear()
    for _ in range(3):
        assert decode(ShardGrid, api.get(SHARDS).content).states == "drsf."
        clock.advance(2.0)
    read = [path for path in memory.blobs.operations.targets("blob.get") if "/verdicts/" in path]
    assert read == [str(bare)]


def test_items_tell_their_times_and_why_they_failed(inside: Inside, api: ApiClient) -> None:
    items = page(api).items
    assert [item.item for item in items] == list(range(50))
    assert [item.state for item in items[18:26]] == ["done"] * 6 + ["failed", "done"]
    assert items[0].timing is not None
    assert (items[0].timing.predict_s, items[0].worker, items[0].shard_id) == (0.25, "w1", 0)
    assert (items[24].code, items[24].message) == ("E-SHARD-FAILED", "=HYPERLINK() is damaged.")
    assert items[49].state == "pending"


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("done", [*range(24), *range(25, 30)]),
        ("failed", [24, *range(30, 40)]),
        ("pending", list(range(40, 50))),
    ],
)
@pytest.mark.parametrize("limit", ["1", "3", "10", "1000"])
def test_pages_of_a_state_hold_each_item_once(
    inside: Inside, api: ApiClient, state: str, wanted: list[int], limit: str
) -> None:
    assert walk(api, state=state, limit=limit) == wanted


def test_a_page_reads_no_more_verdicts_than_it_needs(memory: MemoryCloud, api: ApiClient) -> None:
    put_run(memory, RUN)
    inside = Inside(memory=memory, run_id=RUN, shard_items=1)
    inside.plan(2000)
    for shard_id in range(2000):
        inside.done(shard_id)
    api.get(SHARDS)
    memory.blobs.operations.clear()
    first = page(api, limit="20")
    assert (len(first.items), first.next) == (20, "19")
    assert len(memory.blobs.operations.targets("blob.get")) <= 25
    memory.blobs.operations.clear()
    bounded = page(api, limit="1000")
    assert bounded.next == str(bounded.items[-1].item)
    assert len(memory.blobs.operations.targets("blob.get")) <= 130
    assert walk(api, limit="1000", after="1900") == list(range(1901, 2000))


def test_the_table_is_safe_to_open_and_says_where_it_goes_on(inside: Inside, api: ApiClient) -> None:
    answer = api.get(f"{ITEMS}.csv", state="failed", limit="2")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["item"] for row in rows] == ["24", "30"]
    assert rows[0]["message"] == "'=HYPERLINK() is damaged."
    link = answer.headers["link"]
    assert link == f'<{ITEMS}.csv?state=failed&limit=2&after=30>; rel="next"'
    whole = api.get(f"{ITEMS}.csv")
    assert "link" not in whole.headers
    assert next(csv.DictReader(io.StringIO(whole.text)))["predict_ms"] == "250.000"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "don"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"after": "-1"}, "after"),
        ({"after": "٣"}, "after"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_query_is_named(inside: Inside, api: ApiClient, query: dict[str, str], field: str) -> None:
    answer = api.get(ITEMS, **query)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
