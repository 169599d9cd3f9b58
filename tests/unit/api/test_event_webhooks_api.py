"""Subscribing to one kind of event: a webhook like others, made at an address of the event's own."""

from dataclasses import replace

import pytest
from api_client import ApiClient

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.memory_courier import MemoryCourier
from dropscore.contracts.codec import decode
from dropscore.contracts.http.problems import Problem
from dropscore.contracts.http.webhooks import WebhookDocument, WebhookEvent

URL = "https://flows.example.com/callback?sig=a%2Bb"


@pytest.fixture
def api(memory: MemoryCloud, ports: Ports) -> ApiClient:
    """The API with a courier that connects to nobody."""
    services = replace(function_app.assemble(ports).services, courier=MemoryCourier())
    return ApiClient(create_api(lambda: services), memory.orchestrations)


@pytest.mark.parametrize("event", list(WebhookEvent))
def test_subscription_is_a_webhook_for_this_event_and_ended_by_its_location(
    api: ApiClient, event: WebhookEvent
) -> None:
    answer = api.post(f"/api/v1/events/{event}/webhooks", json={"url": URL, "workload": "style_transfer"})
    assert answer.status_code == 201
    made = decode(WebhookDocument, answer.json())
    assert (made.events, made.workload, made.url) == ((event,), "style_transfer", URL)
    location = answer.headers["location"]
    assert location == f"http://app/api/v1/webhooks/{made.id}"
    assert [one["id"] for one in api.get("/api/v1/webhooks").json()["webhooks"]] == [made.id]
    assert api.send("DELETE", location).status_code == 204
    assert api.get("/api/v1/webhooks").json() == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "E-REQUEST-FIELD", "url"),
        ({"url": URL, "events": ["run.finished"]}, "E-REQUEST-FIELD", "events"),
        ({"url": "http://flows.example.com/callback"}, "E-WEBHOOK-TARGET", "url"),
        ({"url": "https://127.0.0.1/callback"}, "E-WEBHOOK-TARGET", "url"),
        ({"url": URL, "workload": "nothing"}, "E-WORKLOAD-UNKNOWN", "workload"),
        ({"url": URL, "run_id": "nobody-1"}, "E-RUN-UNKNOWN", "run_id"),
    ],
)
def test_wrong_subscription_is_refused_and_nothing_is_stored(
    api: ApiClient, body: dict[str, str], code: str, field: str
) -> None:
    answer = api.post("/api/v1/events/run.finished/webhooks", json=body)
    told = decode(Problem, answer.json())
    assert 400 <= answer.status_code < 500
    assert (told.code, told.field) == (code, field)
    assert api.get("/api/v1/webhooks").json() == {"webhooks": []}


def test_unknown_event_is_404_and_names_the_ones_there_are(api: ApiClient) -> None:
    answer = api.post("/api/v1/events/run.finsihed/webhooks", json={"url": URL})
    told = decode(Problem, answer.json())
    assert (answer.status_code, told.field) == (404, "event")
    assert "Did you mean 'run.finished'?" in told.action
