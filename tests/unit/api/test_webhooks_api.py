"""Subscribing to what happens to runs, by the API."""

from dataclasses import replace
from typing import Any

import pytest
from api_client import ApiClient
from stored_runs import put_run

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.callers import Caller
from dropscore.api.operations import Access
from dropscore.cloud import subscriptions
from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.memory_courier import MemoryCourier
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.http.problems import Problem
from dropscore.contracts.http.webhooks import Notification, WebhookDocument, WebhookList, WebhookTest
from dropscore.contracts.messages import read_news
from dropscore.contracts.names import QueueName
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunStatus
from dropscore.contracts.signatures import SIGNATURE, verify

RUN = "film-0123456789abcdef"
PATH = "/api/v1/webhooks"
ASKED: dict[str, Any] = {"url": "https://hooks.example.com/a?sig=hidden", "events": ["run.finished"]}


class OneCaller:
    """Whoever calls is the caller that a test names."""

    tenants, scheme = True, "entra"

    def __init__(self) -> None:
        self.now = Caller(name="jo", access=Access.OPERATOR)

    def caller(self, headers: Any) -> Caller:
        return self.now

    def be(self, tenant: str | None, access: Access = Access.SUBMITTER) -> None:
        self.now = Caller(name="jo", access=access, tenant=tenant)


@pytest.fixture
def courier() -> MemoryCourier:
    return MemoryCourier(receivers={"hooks.example.com": lambda _: 204})


@pytest.fixture
def callers() -> OneCaller:
    return OneCaller()


@pytest.fixture
def api(memory: MemoryCloud, ports: Ports, courier: MemoryCourier, callers: OneCaller) -> ApiClient:
    services = replace(function_app.assemble(replace(ports, courier=courier)).services, callers=callers)
    return ApiClient(create_api(lambda: services), memory.orchestrations)


def create(api: ApiClient, **fields: Any) -> WebhookDocument:
    answer = api.post(PATH, json=ASKED | fields)
    assert answer.status_code == 201, answer.text
    return decode(WebhookDocument, answer.content)


def refused(answer: Any, status: int, code: str) -> Problem:
    problem = decode(Problem, answer.content)
    assert (answer.status_code, problem.status, problem.code) == (status, status, code)
    return problem


def test_subscription_is_made_with_its_secret_and_its_address(api: ApiClient) -> None:
    answer = api.post(PATH, json=ASKED | {"workload": "style_transfer"})
    made = decode(WebhookDocument, answer.content)
    assert answer.headers["location"] == f"http://app{PATH}/{made.id}"
    assert (made.url, made.events, made.workload) == (ASKED["url"], ("run.finished",), "style_transfer")
    assert made.secret is not None
    assert len(made.secret) > 40
    assert create(api).secret != made.secret


def test_secret_and_query_of_the_address_are_told_once(api: ApiClient) -> None:
    made = create(api)
    shown = decode(WebhookDocument, api.get(f"{PATH}/{made.id}").content)
    assert (shown.id, shown.url, shown.secret) == (made.id, "https://hooks.example.com/a?…", None)
    listed = decode(WebhookList, api.get(PATH).content)
    assert listed.webhooks == (shown,)


def test_deleted_twice_is_deleted_once_and_unknown_is_told_apart(api: ApiClient, memory: MemoryCloud) -> None:
    made = create(api)
    for _ in range(2):
        answer = api.send("DELETE", f"{PATH}/{made.id}")
        assert (answer.status_code, answer.content) == (204, b"")
    refused(api.get(f"{PATH}/{made.id}"), 404, "E-WEBHOOK-UNKNOWN")
    assert decode(WebhookList, api.get(PATH).content).webhooks == ()
    for unknown in (f"wh-{0:024x}", "wh-1", "x", "..%2f..%2frequest", f"wh-{0:023x}G"):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
            assert api.send(method, f"{PATH}/{unknown}{path}").status_code == 404


def test_deletion_that_stopped_half_way_is_finished_by_the_next(api: ApiClient, memory: MemoryCloud) -> None:
    made = create(api)
    memory.blobs.put(layout.unsubscribed(made.id), b"", metadata={"tenant": ""})
    assert api.send("DELETE", f"{PATH}/{made.id}").status_code == 204
    assert memory.blobs.head(layout.subscription(made.id)) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        (b'{"url": "https://hooks.example.com/", "events": []}', "events"),
        (b'{"url": "https://hooks.example.com/", "events": ["run.began"]}', "events[0]"),
        (b'{"url": "https://hooks.example.com/"}', "events"),
        (b'{"url": 1, "events": ["run.finished"]}', "url"),
        (b'{"url": "https://hooks.example.com/", "events": ["run.finished"], "secret": "mine"}', "secret"),
        (b'{"url": "https://hooks.example.com/", "events": ["run.finished"], "tenant": "b"}', "tenant"),
        (b'{"url": "https://hooks.example.com/", "events": ["run.finished"], "run_id": "../x"}', "run_id"),
    ],
)
def test_request_that_cannot_be_read_names_the_field(
    api: ApiClient, memory: MemoryCloud, body: bytes, field: str | None
) -> None:
    problem = decode(Problem, api.post(PATH, content=body).content)
    assert (problem.status, problem.field) == (400, field)
    assert list(memory.blobs.list(layout.subscriptions_prefix())) == []


@pytest.mark.fault(58)
@pytest.mark.parametrize("url", ["http://hooks.example.com/", "https://127.0.0.1/", "https://[::1]/", "https://a@b.c/"])
def test_target_that_is_not_allowed_is_refused_when_the_webhook_is_made(
    api: ApiClient, memory: MemoryCloud, url: str
) -> None:
    problem = refused(api.post(PATH, json=ASKED | {"url": url}), 422, "E-WEBHOOK-TARGET")
    assert (problem.field, "WebhookAllow" in problem.action) == ("url", True)
    assert list(memory.blobs.list(layout.subscriptions_prefix())) == []


def test_form_is_no_request(api: ApiClient) -> None:
    refused(api.post(PATH, data={"url": "https://hooks.example.com/"}), 415, "E-REQUEST-MALFORMED")


def test_workload_and_run_that_are_not_there_are_refused(api: ApiClient) -> None:
    refused(api.post(PATH, json=ASKED | {"workload": "style_tranfser"}), 400, "E-WORKLOAD-UNKNOWN")
    refused(api.post(PATH, json=ASKED | {"run_id": RUN}), 404, "E-RUN-UNKNOWN")


def test_there_is_an_end_to_subscriptions(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropscore.api.webhooks.MOST", 2)
    assert subscriptions.MOST == 1_000
    create(api)
    create(api)
    refused(api.post(PATH, json=ASKED), 409, "E-WEBHOOK-LIMIT")


def test_run_that_has_ended_already_is_told_of_at_once_to_who_asks_for_it(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED_WITH_GAPS, items_failed=3)
    made = create(api, run_id=RUN, events=["run.finished", "items.quarantined"])
    sent = [read_news(body) for body in memory.queue.bodies(QueueName.WEBHOOKS)]
    assert [(news.event, news.subscription) for news in sent] == [
        ("items.quarantined", made.id),
        ("run.finished", made.id),
    ]
    create(api)
    put_run(memory, "under-way-1", RunStatus.SCORING)
    create(api, run_id="under-way-1")
    assert len(memory.queue.bodies(QueueName.WEBHOOKS)) == 2, "nobody else is told"


def test_test_tells_what_the_receiver_answered(api: ApiClient, courier: MemoryCourier, memory: MemoryCloud) -> None:
    made = create(api)
    tried = decode(WebhookTest, api.post(f"{PATH}/{made.id}/test").content)
    assert (tried.delivered, tried.status, tried.problem) == (True, 204, None)
    (letter,) = courier.letters
    news = decode(Notification, letter.body)
    assert (news.test, news.id, news.event) == (True, tried.id, "run.finished")
    assert news.run == "http://app/api/v1/runs/test-run"
    verify(made.secret or "", letter.headers[SIGNATURE], letter.body, 1_767_225_600)
    courier.receivers["hooks.example.com"] = lambda _: 500
    tried = decode(WebhookTest, api.post(f"{PATH}/{made.id}/test").content)
    assert (tried.delivered, tried.status) == (False, 500)
    courier.receivers.clear()
    tried = decode(WebhookTest, api.post(f"{PATH}/{made.id}/test").content)
    assert (tried.delivered, tried.status) == (False, None)
    assert memory.queue.bodies(QueueName.WEBHOOKS) == []


def test_tenant_sees_and_touches_its_own_webhooks_alone(
    api: ApiClient, callers: OneCaller, memory: MemoryCloud
) -> None:
    callers.be("a")
    mine = create(api)
    callers.be("b")
    theirs = create(api)
    callers.be("a")
    assert [one.id for one in decode(WebhookList, api.get(PATH).content).webhooks] == [mine.id]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
        refused(api.send(method, f"{PATH}/{theirs.id}{path}"), 404, "E-WEBHOOK-UNKNOWN")
    callers.be("b")
    assert api.send("DELETE", f"{PATH}/{theirs.id}").status_code == 204
    callers.be("a")
    refused(api.send("DELETE", f"{PATH}/{theirs.id}"), 404, "E-WEBHOOK-UNKNOWN")
    put_run(memory, RUN, RunStatus.SUCCEEDED, source=RunSource(kind="http", tenant="b"))
    refused(api.post(PATH, json=ASKED | {"run_id": RUN}), 404, "E-RUN-UNKNOWN")
    assert memory.queue.bodies(QueueName.WEBHOOKS) == []


def test_viewers_may_look_and_no_more(api: ApiClient, callers: OneCaller, courier: MemoryCourier) -> None:
    made = create(api)
    callers.be(None, Access.VIEWER)
    assert api.get(PATH).status_code == 200
    for method, path in (("POST", PATH), ("DELETE", f"{PATH}/{made.id}"), ("POST", f"{PATH}/{made.id}/test")):
        refused(api.send(method, path, json=ASKED), 403, "E-AUTH-FORBIDDEN")
    assert courier.letters == []


def test_description_tells_what_subscribers_get(api: ApiClient) -> None:
    described = api.get("/api/v1/openapi.json").json()
    told = described["webhooks"]["notification"]["post"]
    schema = told["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].removeprefix("#/components/schemas/")
    assert set(described["components"]["schemas"][name]["properties"]) == set(Notification.model_fields)
    assert next(parameter["name"] for parameter in told["parameters"]) == SIGNATURE
    made = described["paths"][PATH]["post"]["responses"]["201"]
    assert "Location" in made["headers"]
