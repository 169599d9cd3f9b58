"""The logs of a run through the API."""

import json
import threading

import pytest
from api_client import ApiClient
from stored_insides import Inside
from stored_runs import put_run

from dropscore.api.insight.insight import LOGS_FRESH_S
from dropscore.api.insight.logs import MOST_BYTES, MOST_LINES
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.http.items import LogPage
from dropscore.contracts.run import RunStatus
from gpu_worker.run_logs import MOST_BYTES as MOST_OF_A_WORKER

RUN = "run-1"
LOGS = f"/api/v1/runs/{RUN}/logs"


def line(number: int, message: str = "", **fields: object) -> bytes:
    minutes, seconds = divmod(number, 60)
    at = f"2026-01-01T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.000000Z"
    return json.dumps({"at": at, "level": "info", "message": message or f"line {number}", **fields}).encode() + b"\n"


def page(api: ApiClient, **query: str) -> LogPage:
    answer = api.get(LOGS, **query)
    assert answer.status_code == 200, answer.text
    return decode(LogPage, answer.content)


def messages(read: LogPage) -> list[str]:
    return [one.message for one in read.lines]


def write(memory: MemoryCloud, actor: str, *lines: bytes) -> None:
    memory.blobs.put(layout.log(RUN, actor), b"".join(lines))


def drain(api: ApiClient, clock: ManualClock, **query: str) -> list[str]:
    """Messages of all pages there are now."""
    found: list[str] = []
    while True:
        read = page(api, **query)
        found += messages(read)
        if not read.more:
            return found
        query["after"] = read.next


@pytest.fixture
def run(memory: MemoryCloud) -> MemoryCloud:
    """A run that is scoring."""
    put_run(memory, RUN)
    return memory


def test_lines_of_all_actors_come_in_the_order_of_time(run: MemoryCloud, api: ApiClient) -> None:
    write(run, "plan", line(1), line(4))
    write(run, "w1", line(2), b"Traceback without a time\n", line(5))
    write(run, "w2", line(3))
    read = page(api)
    assert messages(read) == ["line 1", "line 2", "Traceback without a time", "line 3", "line 4", "line 5"]
    assert (read.ended, read.more) == (False, False)


def test_a_line_tells_its_fields_apart(run: MemoryCloud, api: ApiClient) -> None:
    write(run, "w1", line(1, "Scored.", item=7, shard_id=2, run_id=RUN, worker="w1", size=1.5))
    (one,) = page(api).lines
    assert (one.actor, one.level, one.item, one.shard_id) == ("w1", "info", 7, 2)
    assert (one.at, one.fields) == ("2026-01-01T00:00:01.000000Z", {"worker": "w1", "size": 1.5})


@pytest.mark.parametrize(
    "text",
    [
        b'{"level": NaN}',
        b'{"message": 1e999}',
        b'{"message": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 9000,
        b'{"item": -1}',
        b"{}",
    ],
)
def test_text_of_any_kind_can_be_told(run: MemoryCloud, api: ApiClient, text: bytes) -> None:
    write(run, "plan-1.console", text + b"\n", line(1))
    assert len(page(api).lines) == 2


def test_the_next_page_goes_on_behind_the_last_line(run: MemoryCloud, clock: ManualClock, api: ApiClient) -> None:
    write(run, "w1", line(1), line(2))
    first = page(api)
    write(run, "w1", line(1), line(2), line(3))
    write(run, "w2", line(0, "late news"))
    clock.advance(LOGS_FRESH_S)
    second = page(api, after=first.next)
    assert messages(second) == ["late news", "line 3"]
    assert messages(page(api, after=second.next)) == []


def test_a_line_without_its_end_waits_until_the_run_has_ended(
    run: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    write(run, "plan-1.console", b"Killed", b"")
    first = page(api)
    assert messages(first) == []
    put_run(run, RUN, RunStatus.FAILED)
    last = page(api, after=first.next)
    assert (messages(last), last.ended) == (["Killed"], True)


def test_a_log_that_lost_its_oldest_lines_is_read_on_where_it_was(
    run: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    write(run, "w1", *(line(number) for number in range(10)))
    write(run, "w2", line(0, "x" * 5000), line(1, "y" * 5000))
    first = page(api)
    write(run, "w1", *(line(number) for number in range(5, 12)))
    write(run, "w2", line(1, "y" * 5000), line(20))
    clock.advance(LOGS_FRESH_S)
    assert messages(page(api, after=first.next)) == ["line 10", "line 11", "line 20"]


def test_a_log_of_which_nothing_is_left_is_read_anew(run: MemoryCloud, clock: ManualClock, api: ApiClient) -> None:
    write(run, "w1", line(1), line(2))
    first = page(api)
    write(run, "w1", line(70, "quite another line that is long"), line(80))
    clock.advance(LOGS_FRESH_S)
    assert messages(page(api, after=first.next)) == ["quite another line that is long", "line 80"]


def test_what_a_console_repeats_is_told_once(run: MemoryCloud, api: ApiClient) -> None:
    write(run, "plan", line(1), line(2))
    write(run, "plan-1.console", line(1), line(2), line(3), b"Killed\n")
    assert messages(page(api)) == ["line 1", "line 2", "line 3", "Killed"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"actor": "w"}, ["of item 7", "of shard 0", "of shard 1", "bad"]),
        ({"item": "7"}, ["of item 7", "of shard 0"]),
        ({"item": "12"}, ["of shard 1"]),
        ({"level": "error"}, ["bad", "Killed"]),
        ({"level": "error", "actor": "plan"}, ["Killed"]),
    ],
)
def test_lines_are_chosen(run: MemoryCloud, api: ApiClient, query: dict[str, str], wanted: list[str]) -> None:
    Inside(memory=run, run_id=RUN).plan(2)
    write(run, "plan", line(1, "planned"))
    write(run, "plan-1.console", b"Killed\n")
    write(
        run,
        "w1",
        line(2, "of item 7", item=7, shard_id=0),
        line(3, "of shard 0", shard_id=0),
        line(4, "of shard 1", shard_id=1),
        line(5, "bad", level="error"),
    )
    assert sorted(messages(page(api, **query))) == sorted(wanted)


def test_pages_of_huge_logs_are_bounded_and_hold_each_line_once(
    run: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    for actor in range(4):
        write(run, f"w{actor}", *(line(4 * number + actor) for number in range(2500)))
    first = page(api)
    assert len(first.lines) == MOST_LINES
    assert first.more
    assert drain(api, clock) == [f"line {number}" for number in range(10_000)]


def test_a_page_of_long_lines_is_bounded_in_bytes(run: MemoryCloud, clock: ManualClock, api: ApiClient) -> None:
    write(run, "w1", *(line(number, "x" * 5000) for number in range(1000)))
    assert len(api.get(LOGS).content) < 1.1 * MOST_BYTES
    assert len(drain(api, clock)) == 1000


def test_a_line_without_any_end_is_told_in_pieces(run: MemoryCloud, clock: ManualClock, api: ApiClient) -> None:
    write(run, "plan-1.console", b"x" * 300_000 + b"\n" + line(1))
    told = drain(api, clock)
    assert "".join(told[:-1]) == "x" * 300_000
    assert told[-1] == "line 1"


def test_a_search_in_huge_logs_reads_little_at_a_time(run: MemoryCloud, clock: ManualClock, api: ApiClient) -> None:
    text = b"".join(line(number, "z" * 150) for number in range(4000))[:MOST_OF_A_WORKER]
    for actor in range(12):
        write(run, f"w{actor:02d}", text[: text.rfind(b"\n") + 1])
    write(run, "last", line(3999, "found", level="error"))
    first = page(api, level="error")
    assert first.more
    assert not first.lines
    assert drain(api, clock, level="error") == ["found"]


def test_logs_of_other_actors_are_not_read(run: MemoryCloud, api: ApiClient) -> None:
    write(run, "w1", line(1))
    write(run, "plan", line(2))
    assert messages(page(api, actor="pla")) == ["line 2"]
    assert [path for path in run.blobs.operations.targets("blob.get") if path.endswith(".log")] == [
        f"logs/{RUN}/plan.log"
    ]


def test_a_follower_is_answered_as_soon_as_there_is_a_line(
    run: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    first = page(api)

    def say() -> None:
        write(run, "w1", line(1))
        clock.advance(LOGS_FRESH_S)

    threading.Timer(0.3, say).start()
    assert messages(page(api, after=first.next, wait_s="20")) == ["line 1"]


def test_a_follower_of_an_ended_run_does_not_wait(run: MemoryCloud, api: ApiClient) -> None:
    put_run(run, RUN, RunStatus.SUCCEEDED)
    assert page(api, wait_s="20").ended


@pytest.mark.parametrize(
    ("query", "field", "status"),
    [
        ({"after": "!"}, "after", 422),
        ({"after": ""}, "after", 422),
        ({"after": "AAAA"}, "after", 422),
        ({"after": "ü"}, "after", 422),
        ({"level": "loud"}, "level", 400),
        ({"wait_s": "21"}, "wait_s", 400),
        ({"item": "20"}, "item", 422),
        ({"item": "x"}, "item", 400),
        ({"follow": "1"}, "follow", 400),
    ],
)
def test_a_wrong_query_is_named(
    run: MemoryCloud, api: ApiClient, query: dict[str, str], field: str, status: int
) -> None:
    Inside(memory=run, run_id=RUN).plan(2)
    answer = api.get(LOGS, **query)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
