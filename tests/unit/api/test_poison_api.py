"""Messages that nobody could read, by the API."""

from typing import Any

import pytest
from api_client import ApiClient

from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.messages import MAX_POISON_BYTES, original_of, poison_record, read_poison
from dropscore.contracts.names import POISON_QUEUES, QueueName
from dropscore.contracts.plan import RunEvent, ShardMessage, ShardSpec
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunState, RunStatus

RUN = "film-0123456789abcdef"
NORMAL, POISON = QueueName.SHARDS_NORMAL, QueueName.SHARDS_NORMAL_POISON
GOOD = encode_bytes(
    ShardMessage(run_id=RUN, shard=ShardSpec(shard_id=1, input_index=0, first_item=0, items=1, work={"ü": 1}))
)


@pytest.fixture
def put_aside(memory: MemoryCloud) -> Any:
    """Puts a message on the poison queue of a queue, as a worker does."""

    def put(body: bytes, queue: QueueName = NORMAL, reason: str = "no") -> None:
        record = poison_record(queue, reason, body, worker="w1", at=memory.clock.now())
        memory.queue.send(POISON_QUEUES[queue], record)

    return put


@pytest.fixture
def run(memory: MemoryCloud) -> Any:
    """Stores a run in a status."""

    def put(status: RunStatus = RunStatus.SCORING) -> None:
        now = memory.clock.now()
        state = RunState(
            run_id=RUN, status=status, source=RunSource(kind="http"), created_at=now, updated_at=now, stages=()
        )
        memory.blobs.put(layout.state(RUN), encode_bytes(state))

    return put


def listed(api: ApiClient, queue: QueueName = POISON) -> dict[str, Any]:
    (found,) = [one for one in api.get("/api/v1/poison").json()["queues"] if one["queue"] == queue]
    return found


@pytest.mark.fault(42)
def test_every_poison_queue_is_listed_with_reasons_and_whether_it_can_be_sent_again(
    api: ApiClient, put_aside: Any, run: Any
) -> None:
    run()
    put_aside(b"junk", reason="ShardMessage: line 1 column 1: Expecting value")
    put_aside(GOOD)
    queues = api.get("/api/v1/poison").json()["queues"]
    assert {one["queue"] for one in queues} == set(POISON_QUEUES.values())
    told = listed(api)
    assert (told["source"], told["depth"]) == (NORMAL, 2)
    assert [message["retry"] for message in told["messages"]] == [False, True]
    assert told["messages"][0]["reason"].startswith("ShardMessage")


def test_looking_disturbs_nothing(api: ApiClient, memory: MemoryCloud, put_aside: Any) -> None:
    put_aside(b"junk")
    message_id = listed(api)["messages"][0]["id"]
    assert api.get(f"/api/v1/poison/normal/{message_id}").json()["body"] == "junk"
    assert memory.queue.operations.counts().get("queue.get", 0) == 0
    (message,) = memory.queue.receive(POISON, count=1, lease_s=1)
    assert message.dequeue_count == 1


@pytest.mark.fault(40)
def test_message_that_can_be_read_now_goes_back_unchanged(
    api: ApiClient, memory: MemoryCloud, put_aside: Any, run: Any
) -> None:
    run()
    put_aside(b"junk")
    put_aside(GOOD)
    message_id = listed(api)["messages"][1]["id"]
    answer = api.post(f"/api/v1/poison/{POISON}/{message_id}/retry")
    assert (answer.status_code, answer.json()["sent"]) == (200, True)
    assert memory.queue.bodies(NORMAL) == [GOOD]
    assert listed(api)["depth"] == 1
    assert len(listed(api)["messages"]) == 1, "the other one was given back at once"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"junk", RunStatus.SCORING, "E-MESSAGE-MALFORMED"),
        (GOOD.replace(b'"schema_version":1', b'"schema_version":2'), RunStatus.SCORING, "E-MESSAGE-MALFORMED"),
        (b"\xff" * 10, RunStatus.SCORING, "E-MESSAGE-MALFORMED"),
        (GOOD, None, "E-RUN-UNKNOWN"),
        (GOOD, RunStatus.CANCELLED, "E-RUN-ENDED"),
    ],
)
def test_message_that_would_come_back_is_refused_and_stays(
    api: ApiClient, put_aside: Any, run: Any, body: bytes, status: RunStatus | None, code: str
) -> None:
    if status is not None:
        run(status)
    put_aside(body)
    message = listed(api)["messages"][0]
    assert message["why_not"]["code"] == code
    assert api.post(f"/api/v1/poison/normal/{message['id']}/retry").json()["code"] == code
    assert len(listed(api)["messages"]) == 1


def test_message_is_dropped_and_then_unknown(api: ApiClient, put_aside: Any) -> None:
    put_aside(b"junk")
    message_id = listed(api)["messages"][0]["id"]
    assert api.post(f"/api/v1/poison/normal/{message_id}/drop").status_code == 200
    assert listed(api)["depth"] == 0
    for method, path in (("GET", ""), ("POST", "/drop"), ("POST", "/retry")):
        answer = api.send(method, f"/api/v1/poison/normal/{message_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "E-MESSAGE-UNKNOWN")


def test_unknown_queue_is_answered_with_the_known_ones(api: ApiClient) -> None:
    answer = api.post("/api/v1/poison/shards-fast/drop")
    assert (answer.status_code, answer.json()["code"]) == (404, "E-MESSAGE-UNKNOWN")
    assert "shards-normal-poison" in answer.json()["action"]


def test_whole_queue_is_dropped_in_steps(
    api: ApiClient, memory: MemoryCloud, put_aside: Any, clock: ManualClock
) -> None:
    for number in range(200):
        put_aside(b"%d" % number)
    memory.queue.operations.interrupt = lambda _: clock.advance(0.02)
    done, steps, left = 0, 0, 200
    while left:
        answer = api.post("/api/v1/poison/normal/drop").json()
        done, left, steps = done + answer["done"], answer["left"], steps + 1
        assert steps < 20
    assert (done, steps > 1) == (200, True)


def test_of_a_whole_queue_what_can_be_read_goes_back_and_the_rest_says_why_not(
    api: ApiClient, memory: MemoryCloud, put_aside: Any, run: Any
) -> None:
    run()
    for number in range(50):
        put_aside(GOOD if number % 2 else b"junk")
    answer = api.post("/api/v1/poison/normal/retry").json()
    assert (answer["done"], answer["refused"], answer["left"]) == (25, 25, 25)
    assert answer["why_not"][0]["code"] == "E-MESSAGE-MALFORMED"
    assert memory.queue.bodies(NORMAL) == [GOOD] * 25


def test_news_that_the_host_gave_up_is_listed_as_it_is_and_sent_again(
    api: ApiClient, memory: MemoryCloud, run: Any
) -> None:
    run()
    event = encode_bytes(RunEvent(run_id=RUN))
    memory.queue.send(QueueName.RUN_EVENTS_POISON, event)
    (message,) = listed(api, QueueName.RUN_EVENTS_POISON)["messages"]
    assert "five tries" in message["reason"]
    api.post(f"/api/v1/poison/run-events/{message['id']}/retry")
    assert memory.queue.bodies(QueueName.RUN_EVENTS) == [event]


@pytest.mark.fault(44)
@pytest.mark.parametrize("body", [b"", b"x" * 48_000, b"\xff" * 48_000, b"\x00" * 48_000, "ü".encode() * 20_000])
def test_record_of_any_message_fits_on_a_queue(memory: MemoryCloud, body: bytes) -> None:
    text = poison_record(NORMAL, "r" * 5_000, body, worker="w1", at=memory.clock.now())
    assert len(text) <= MAX_POISON_BYTES
    record = read_poison(POISON, text)
    assert record.body_bytes == len(body)
    assert original_of(record) in (body, None)
    memory.queue.send(POISON, text)
