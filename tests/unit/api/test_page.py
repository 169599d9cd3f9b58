"""The page, as it is rendered: what it shows, that nothing from outside gets into it, and what it tells the browser."""

import gzip
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from api_client import ApiClient
from stored_insides import Inside
from stored_runs import put_run

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.page.assets import addresses
from dropscore.api.page.shards_view import first_items
from dropscore.api.page.words import percent, short
from dropscore.api.services import PageOptions
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.http.items import ShardGrid
from dropscore.contracts.messages import poison_record
from dropscore.contracts.names import POISON_QUEUES, QueueName
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.quarantine import Quarantined
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import WorkerFacts
from dropscore.quantities import duration

EVIL = "\"><script>alert('x')</script><img src=x onerror=alert(1)>&"
RUN = "film-0123456789abcdef"
PAGES = ("/", f"/runs/{RUN}", f"/runs/{RUN}/items", f"/runs/{RUN}/logs", "/workloads", "/codes", "/poison", "/nowhere")
LIVE = {"dropscore-live": "1"}


def live(api: ApiClient, path: str) -> dict[str, str]:
    parts: dict[str, str] = api.send("GET", path, headers=LIVE).json()["parts"]
    return parts


@pytest.fixture
def evil(memory: MemoryCloud) -> MemoryCloud:
    """A run whose every text from outside tries to be more than text."""
    put_run(
        memory,
        RUN,
        RunStatus.FAILED,
        workload=EVIL,
        note=EVIL,
        detail=EVIL,
        items_total=20,
        items_failed=10,
        failure=failure(Code.INPUT_UNREADABLE, EVIL, action=EVIL, input=EVIL, field=EVIL),
    )
    inside = Inside(memory=memory, run_id=RUN)
    inside.plan(2)
    inside.failed(0)
    facts = WorkerFacts(worker=EVIL, device=EVIL, code_version="0")
    why = failure(Code.INPUT_CORRUPT, EVIL, input=EVIL, item=3, detail=EVIL)
    shard = ShardSpec(shard_id=0, input_index=0, first_item=0, items=10)
    entry = Quarantined(
        run_id=RUN, shard=shard, input=EVIL, failure=why, attempts=5, worker=facts, at=memory.clock.now()
    )
    memory.blobs.put(layout.quarantine(RUN, entry.range), encode_bytes(entry))
    memory.blobs.put(layout.log(RUN, "w<b>1"), json.dumps({"level": EVIL, "message": EVIL, "x": EVIL}).encode() + b"\n")
    record = poison_record(QueueName.SHARDS_NORMAL, EVIL, EVIL.encode(), worker=EVIL, at=memory.clock.now())
    memory.queue.send(POISON_QUEUES[QueueName.SHARDS_NORMAL], record)
    return memory


@pytest.mark.fault(70)
@pytest.mark.parametrize("path", PAGES)
def test_nothing_from_outside_gets_into_a_page(api: ApiClient, evil: MemoryCloud, path: str) -> None:
    answer = api.get(path, said=EVIL, code=EVIL, shard="0")
    page = answer.text

    assert answer.status_code in (200, 404)
    read = Elements()
    read.feed(page)
    assert [src for tag, src in read.sources if tag == "script"] == [
        f"{addresses()['page.js']}?{urlencode({'code': EVIL})}"
    ]
    assert "x" not in [src for tag, src in read.sources]
    assert read.attributes.isdisjoint({"style", "onerror", "onload", "onclick"})


class Elements(HTMLParser):
    """The names of all attributes of a page, and the sources of its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: set[str] = set()
        self.sources: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        if tag in ("script", "img", "video", "iframe"):
            self.sources.append((tag, dict(attrs).get("src")))


@pytest.mark.fault(70)
@pytest.mark.parametrize("path", [PAGES[1], "/", "/poison"])
def test_live_parts_are_escaped_as_well(api: ApiClient, evil: MemoryCloud, path: str) -> None:
    assert "<script" not in json.dumps(live(api, path))


@pytest.mark.fault(70)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_tells_the_browser_what_to_refuse(api: ApiClient, evil: MemoryCloud, path: str) -> None:
    answer = api.get(path)

    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "permissions-policy" in answer.headers


def test_only_the_place_of_outputs_may_show_pictures_besides(ports: Ports, memory: MemoryCloud) -> None:
    options = PageOptions(media_origin="https://account.blob.example")
    services = function_app.assemble(ports, page=options).services
    api = ApiClient(create_api(lambda: services), memory.orchestrations)

    policy = api.get("/").headers["content-security-policy"]

    assert "img-src 'self' data: https://account.blob.example;" in policy
    assert policy.count("account.blob.example") == 2


def test_style_and_script_are_cached_for_ever_and_compressed(api: ApiClient) -> None:
    for address in addresses().values():
        plain = api.send("GET", address, headers={"accept-encoding": "identity"})
        zipped = api.send("GET", address, headers={"accept-encoding": "gzip"})
        assert "immutable" in plain.headers["cache-control"]
        assert zipped.content == plain.content
    assert api.get("/static/page.000000000000.css").status_code == 404


def test_the_first_load_is_small(api: ApiClient, evil: MemoryCloud) -> None:
    texts = [api.get("/").content, *(api.get(address).content for address in addresses().values())]

    assert sum(len(gzip.compress(text)) for text in texts) < 20_000
    assert sum(map(len, texts)) < 100_000


def test_runs_are_listed_with_state_in_word_and_shape(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, "run-a", RunStatus.SCORING, items_total=10, items_done=4)
    put_run(memory, "run-b", RunStatus.SUCCEEDED_WITH_GAPS, items_total=10, items_done=9)

    page = api.get("/").text

    assert "◕" in page
    assert "succeeded with gaps" in page
    assert "4 of 10" in page
    assert "/runs/run-a" in page


def test_runs_are_filtered_and_paged(api: ApiClient, memory: MemoryCloud) -> None:
    for number in range(3):
        put_run(memory, f"run-{number}", RunStatus.FAILED if number else RunStatus.SCORING)
        memory.clock.advance(1)  # type: ignore[attr-defined]

    failed = api.get("/", status="failed", workload="").text
    first = api.get("/", limit="2").text
    older = html.unescape(re.findall(r'href="(/\?[^"]*after=[^"]*)"', first)[0])

    assert "run-0" not in failed
    assert "run-2" in failed
    assert ("run-2" in first, "run-0" in first) == (True, False)
    assert "run-0" in api.get(older).text


def test_a_wrong_filter_is_a_page_with_its_code(api: ApiClient) -> None:
    answer = api.get("/", status="done")

    assert answer.status_code == 400
    assert "E-REQUEST-FIELD" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/runs/no-such-run", 404, "E-RUN-UNKNOWN"), ("/x", 404, "E-PAGE")]
)
def test_errors_are_pages(api: ApiClient, path: str, status: int, code: str) -> None:
    answer = api.get(path)

    assert answer.status_code == status
    assert code in answer.text


def test_a_key_is_carried_on_by_links_of_ours_alone(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING)

    page = api.get("/", code="s3cret").text

    hrefs = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert hrefs
    assert all(address.startswith(("/", "#")) for address in hrefs)
    assert all("code=s3cret" in address for address in hrefs if address.startswith("/"))


def test_the_script_sends_the_key_as_a_header_and_links_still_carry_it(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING)

    parts = api.send("GET", "/", headers={**LIVE, "x-functions-key": "s3cret"}).json()["parts"]

    assert f'href="/runs/{RUN}?code=s3cret"' in parts["runs"]


def test_operations_do_not_mind_a_key_in_the_query(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING)

    assert len(api.get("/api/v1/runs", code="s3cret", status="scoring").json()["runs"]) == 1
    assert api.get("/api/v1/runs", code="s3cret", colour="red").json()["field"] == "colour"


def test_a_run_shows_its_shards_by_letter_and_in_words(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING, items_total=50)
    inside = Inside(memory=memory, run_id=RUN)
    inside.plan(5)
    inside.done(0)
    inside.done(1, attempt=2)
    inside.split(2, guilty=23)
    inside.failed(3)

    parts = live(api, f"/runs/{RUN}?shard=2")

    assert parts["letters"] == "drsf."
    assert "done after a retry <b>1</b>" in parts["counts"]
    assert "Items</dt><dd>20 to 29" in parts["shard"]
    assert "item 23" in parts["shard"]


def test_items_are_sorted_by_any_step(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING, items_total=20)
    inside = Inside(memory=memory, run_id=RUN)
    inside.plan(2)
    inside.done(0)

    falling = re.findall(
        r'<th scope="row" class="number">(\d+)', api.get(f"/runs/{RUN}/items", sort="item", falling="yes").text
    )
    timed = api.get(f"/runs/{RUN}/items", sort="predict").text

    assert falling == [str(item) for item in reversed(range(20))]
    assert timed.index(">0</th>") < timed.index(">19</th>")
    assert "250.0" in timed
    assert api.get(f"/runs/{RUN}/items.csv", code="key").status_code == 200


def test_a_failed_run_shows_cards_with_code_sentence_and_action(api: ApiClient, evil: MemoryCloud) -> None:
    page = api.get(f"/runs/{RUN}").text

    assert page.count('class="failure"') == 2
    assert f'href="/codes#{Code.INPUT_CORRUPT.value}"' in page
    assert "5 attempts" in page
    assert "Replay what failed" in page


def test_read_only_pages_have_no_form_that_changes_anything(ports: Ports, evil: MemoryCloud) -> None:
    services = function_app.assemble(ports, page=PageOptions(read_only=True)).services
    api = ApiClient(create_api(lambda: services), evil.orchestrations)

    for path in PAGES:
        assert 'method="post"' not in api.get(path).text
    assert (
        'method="post"'
        in ApiClient(create_api(lambda: replace(services, page=PageOptions())), evil.orchestrations)
        .get(f"/runs/{RUN}")
        .text
    )


def test_where_shards_begin_is_told_in_few_numbers() -> None:
    grid = ShardGrid(run_id=RUN, shards_total=5, states=".....", counts={}, first_items=(0, 24, 48, 60, 84))

    assert json.loads(first_items(grid)) == [[0, 0, 24], [2, 48, 12], [3, 60, 24]]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (duration(0.42), "420 ms"),
        (duration(59.97), "1 min 00 s"),
        (duration(7_620), "2 h 07 min"),
        (duration(60 * 3600), "2 days 12 h"),
        (percent(999, 1000), "99 %"),
        (percent(10, 10), "100 %"),
        (short("worker-of-a-very-long-name-7"), "…-a-very-long-name-7"),
    ],
)
def test_words_of_figures(told: str, expected: str) -> None:
    assert told == expected
