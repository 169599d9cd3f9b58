"""The functions of the Function app, called as its host calls them, over the cloud in memory."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest
from stored_runs import put_run

import function_app
from activities.ports import Ports
from dropscore.api import starting
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.operations import Operation
from dropscore.cloud.patience import Patience
from dropscore.cloud.settings import TaskEnvironment
from dropscore.cloud.subscriptions import Subscriptions
from dropscore.cloud.sweep_log import last_sweep
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import SettingsError, TransientCloudError
from dropscore.contracts.http.webhooks import WebhookEvent
from dropscore.contracts.identity import STAGES, child_instance_id
from dropscore.contracts.names import ActivityName, ContainerName, QueueName
from dropscore.contracts.orchestration import RunRef
from dropscore.contracts.plan import RunEvent
from dropscore.contracts.quarantine import PoisonedMessage
from dropscore.contracts.request import RunRecord
from dropscore.contracts.run import Rejection, RunState, RunStatus
from dropscore.contracts.webhooks import RunNews, Subscription, finished


class RefusedByServiceError(Exception):
    """What gRPC raises, as far as we look at it."""

    def __init__(self, status: str) -> None:
        self.status = status

    def code(self) -> Any:
        return type("Code", (), {"name": self.status})


class Client:
    """A durable client that remembers, and refuses what it is told to."""

    def __init__(self) -> None:
        self.scheduled: list[tuple[str, str, Any]] = []
        self.raised: list[tuple[str, str]] = []
        self.refusal: str | None = None

    async def schedule_new_orchestration(
        self, orchestrator: str, *, input: Any, instance_id: str, reuse_id_policy: Any = None
    ) -> str:
        if self.refusal:
            raise RefusedByServiceError(self.refusal)
        self.scheduled.append((str(orchestrator), instance_id, input))
        return instance_id

    async def get_orchestration_state(self, instance_id: str, *, fetch_payloads: bool = True) -> Any:
        return None

    async def raise_orchestration_event(self, instance_id: str, event_name: str, *, data: Any) -> None:
        if self.refusal:
            raise RefusedByServiceError(self.refusal)
        self.raised.append((instance_id, str(event_name)))


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def call(memory: MemoryCloud) -> Callable[..., Any]:
    """Calls a function of the app by its name."""
    ports = Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="",
        container_environment=TaskEnvironment(plain={}, secret={}),
    )
    app = function_app.create_app({}, Lazy(lambda: function_app.assemble(ports)))
    functions = {function.get_function_name(): function.get_user_function() for function in app.get_functions()}

    def called(name: str, **bindings: Any) -> Any:
        function = functions[name]
        result = getattr(function, "client_function", function)(**bindings)
        return asyncio.run(result) if asyncio.iscoroutine(result) else result

    return called


def trigger(name: str) -> Any:
    return type("Stream", (), {"name": f"triggers/{name}"})()


def message(body: bytes) -> func.QueueMessage:
    return func.QueueMessage(body=body)


def test_dropped_file_schedules_its_run(call: Callable[..., Any], memory: MemoryCloud, client: Client) -> None:
    memory.blobs.put(layout.trigger("a b/film.json"), b"holiday")
    call("on_trigger", trigger=trigger("a b/film.json"), client=client)
    ((name, run_id, payload),) = client.scheduled
    assert (name, payload) == ("score_run", {"schema_version": 1, "run_id": run_id})
    assert memory.blobs.head(layout.request(run_id)) is not None


def test_file_whose_run_exists_is_no_error(call: Callable[..., Any], memory: MemoryCloud, client: Client) -> None:
    memory.blobs.put(layout.trigger("film.json"), b"holiday")
    client.refusal = "ALREADY_EXISTS"
    call("on_trigger", trigger=trigger("film.json"), client=client)


def test_file_is_delivered_again_when_the_service_does_not_answer(
    call: Callable[..., Any], memory: MemoryCloud, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "PATIENCE", Patience(within_s=0.3))
    memory.blobs.put(layout.trigger("film.json"), b"holiday")
    client.refusal = "UNAVAILABLE"
    with pytest.raises(Exception, match="could not schedule"):
        call("on_trigger", trigger=trigger("film.json"), client=client)


def test_poisoned_trigger_is_told_in_rejected(call: Callable[..., Any], memory: MemoryCloud) -> None:
    body = {"Type": "BlobTrigger", "FunctionId": "Host.Functions.on_trigger", "BlobType": "BlockBlob"}
    told = body | {"ContainerName": "triggers", "BlobName": "a b/film.json", "ETag": '"0x8D"'}
    call("on_trigger_poison", message=message(json.dumps(told).encode()))
    rejection = decode(Rejection, memory.blobs.get(layout.rejected("a b/film.json")).data)
    assert rejection.failures[0].code == "E-TRIGGER-POISON"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"{}", b'{"ContainerName": "other", "BlobName": "x"}', b'{"ContainerName": "triggers"}'],
)
def test_poison_message_of_nobody_is_put_aside(call: Callable[..., Any], memory: MemoryCloud, body: bytes) -> None:
    call("on_trigger_poison", message=message(body))
    assert memory.blobs.names(ContainerName.REJECTED) == ()
    (kept,) = memory.queue.bodies(QueueName.BLOB_TRIGGER_POISON_POISON)
    assert decode(PoisonedMessage, kept).reason == "It names no trigger file."


def test_news_reaches_every_stage_of_the_run(call: Callable[..., Any], client: Client) -> None:
    call("on_run_event", message=message(encode_bytes(RunEvent(run_id="run-1"))), client=client)
    assert sorted(client.raised) == sorted((child_instance_id("run-1", stage), "nudge") for stage in STAGES)


@pytest.mark.parametrize("refusal", ["NOT_FOUND", "UNAVAILABLE"])
def test_lost_nudge_is_no_error(call: Callable[..., Any], client: Client, refusal: str) -> None:
    client.refusal = refusal
    call("on_run_event", message=message(encode_bytes(RunEvent(run_id="run-1"))), client=client)


@pytest.mark.fault(42)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b'{"run_id": 1}', b"x" * 50_000, b"[" * 1000])
def test_malformed_news_is_put_aside_with_its_reason_at_once(
    call: Callable[..., Any], memory: MemoryCloud, client: Client, body: bytes
) -> None:
    call("on_run_event", message=message(body), client=client)
    (kept,) = memory.queue.bodies(QueueName.RUN_EVENTS_POISON)
    told = decode(PoisonedMessage, kept)
    assert "RunEvent" in told.reason
    assert (told.queue, told.body_bytes) == (QueueName.RUN_EVENTS, len(body))
    assert body.decode(errors="replace").startswith(told.body)
    assert client.raised == []


@pytest.mark.fault(44)
def test_malformed_news_stays_where_it_is_while_it_cannot_be_put_aside(
    call: Callable[..., Any], memory: MemoryCloud, client: Client
) -> None:
    def refuse(operation: Operation) -> None:
        raise TransientCloudError("no answer")

    memory.queue.operations.interrupt = refuse
    with pytest.raises(TransientCloudError):
        call("on_run_event", message=message(b"{"), client=client)


def test_http_request_reaches_the_application(call: Callable[..., Any], client: Client) -> None:
    body = json.dumps({"workload": "style_transfer", "inputs": ["film.mp4"]}).encode()
    headers = {"Content-Type": "application/json"}
    request = func.HttpRequest(
        "POST", "http://app/api/runs", headers=headers, params={}, route_params={"route": "runs"}, body=body
    )
    answer = call("http", req=request, client=client)
    assert answer.status_code == 202
    assert answer.mimetype == "application/json"
    run_id = json.loads(answer.get_body())["run_id"]
    assert answer.headers["location"].endswith(f"/api/v1/runs/{run_id}")
    assert [scheduled[1] for scheduled in client.scheduled] == [run_id]


def test_query_of_a_request_reaches_the_application(call: Callable[..., Any], client: Client) -> None:
    request = func.HttpRequest(
        "GET",
        "http://app/api/runs?limit=0",
        headers={},
        params={"limit": "0"},
        route_params={"route": "runs"},
        body=b"",
    )
    answer = call("http", req=request, client=client)
    assert (answer.status_code, json.loads(answer.get_body())["field"]) == (400, "limit")
    assert answer.mimetype == "application/problem+json"


def test_activity_takes_and_gives_plain_json(call: Callable[..., Any], memory: MemoryCloud) -> None:
    with pytest.raises(Exception, match=r"request\.json does not exist"):
        call(ActivityName.ADMIT, payload={"schema_version": 1, "run_id": "run-1"})
    answer = call(
        ActivityName.REMOVE_CONTAINER, payload={"schema_version": 1, "run_id": "run-1", "role": "plan", "attempt": 1}
    )
    assert decode(RunRef, json.loads(json.dumps(answer))).run_id == "run-1"


def test_missing_settings_are_named_at_the_first_invocation_and_not_on_import() -> None:
    app = function_app.create_app({})
    functions = {function.get_function_name(): function.get_user_function() for function in app.get_functions()}
    with pytest.raises(SettingsError, match="DataStorage"):
        functions["read_plan"](payload={"schema_version": 1, "run_id": "run-1"})


@pytest.mark.fault(52)
def test_workers_that_should_have_left_are_ended_when_the_runs_end_says_to_look(
    memory: MemoryCloud, ports: Ports, client: Client, clock: ManualClock
) -> None:
    """Neither the sweep nor the worker's own patience is needed."""
    warm = replace(ports, warm_s=360.0)
    app = function_app.create_app({}, Lazy(lambda: function_app.assemble(warm)))
    functions = {function.get_function_name(): function.get_user_function() for function in app.get_functions()}
    put_run(memory, "run-1", RunStatus.SUCCEEDED)
    memory.pool.admit(1)
    memory.pool.add(["w1"])
    event = message(encode_bytes(RunEvent(run_id="run-1", look_at_workers=True)))

    def told() -> int:
        asyncio.run(functions["on_run_event"].client_function(message=event, client=client))
        return memory.pool.counts().running

    clock.advance(350)
    assert told() == 1, "it may be warm for a while"
    put_run(memory, "run-2", RunStatus.SCORING)
    clock.advance(1000)
    assert told() == 1, "another run needs it"
    put_run(memory, "run-2", RunStatus.SUCCEEDED)
    clock.advance(365)
    assert told() == 0


def test_timer_sweeps_and_a_storage_that_does_not_answer_is_no_error(
    call: Callable[..., Any], memory: MemoryCloud, client: Client, clock: ManualClock
) -> None:
    memory.blobs.put(layout.trigger("missed.json"), b"holiday")
    clock.advance(60)
    call("on_sweep", timer=None, client=client)
    assert [name for name, _, _ in client.scheduled] == ["score_run"]
    report = last_sweep(memory.blobs)
    assert report is not None
    assert report.acts_total == 1

    def refuse(operation: Operation) -> None:
        raise TransientCloudError("no answer")

    memory.blobs.operations.interrupt = refuse
    call("on_sweep", timer=None, client=client)


def test_news_becomes_messages_for_those_who_want_it_and_letters_then(
    call: Callable[..., Any], memory: MemoryCloud
) -> None:
    state = put_run(memory, "film-0123456789abcdef", RunStatus.SUCCEEDED)
    subscription = Subscription(
        id=f"wh-{1:024x}",
        url="https://127.0.0.1/",
        events=(WebhookEvent.RUN_FINISHED,),
        created_at=memory.clock.now(),
        secret="x",
        api="https://api",
    )
    Subscriptions(memory.blobs).add(subscription)
    memory.blobs.put(layout.request(state.run_id), encode_bytes(record_of(state)))
    call("on_webhook", message=message(encode_bytes(finished(state, memory.clock.now()))))
    (body,) = memory.queue.bodies(QueueName.WEBHOOKS)
    news = decode(RunNews, body)
    assert (news.subscription, news.tries) == (subscription.id, 0)
    call("on_webhook", message=message(body))
    assert decode(RunNews, memory.queue.bodies(QueueName.WEBHOOKS)[-1]).tries == 1, "the target is not allowed"


def record_of(state: RunState) -> RunRecord:
    return RunRecord(
        run_id=state.run_id,
        source=state.source,
        created_at=state.created_at,
        body="{}",
        body_bytes=2,
        body_sha256=None,
    )


@pytest.mark.parametrize("body", [b"junk", b"{}", b"x" * 5_000])
def test_message_that_is_no_news_is_put_aside_with_the_reason(
    call: Callable[..., Any], memory: MemoryCloud, body: bytes
) -> None:
    call("on_webhook", message=message(body))
    (record,) = memory.queue.bodies(QueueName.WEBHOOKS_POISON)
    assert decode(PoisonedMessage, record).reason.startswith("RunNews")
