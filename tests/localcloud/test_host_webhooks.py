"""Deliveries of Event Grid under the local host: each calls the function, doubled ones too."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from azure.storage.blob import ContainerClient
from hosting import running_host

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("host")]

ADDRESS = "/runtime/webhooks/blobs?functionName=Host.Functions.on_blob"


def event(blob, kind="Microsoft.Storage.BlobCreated"):
    return [{"eventType": kind, "data": {"url": blob.url}}]


def test_every_copy_of_an_event_calls_the_function(host, triggers, wait_until):
    blob = triggers.upload_blob("copies/büro #1.json", b"{}")
    wait_until(lambda: host.notes.all("blob", name="triggers/copies/büro #1.json"))

    def deliver(_):
        return host.http.post(f"{host.url}{ADDRESS}", json=event(blob)).status_code

    with ThreadPoolExecutor(5) as side:
        assert set(side.map(deliver, range(10))) == {200}
    assert len(host.notes.all("blob", name="triggers/copies/büro #1.json")) == 11


@pytest.mark.fault(68)
def test_an_event_about_a_blob_that_is_gone_or_elsewhere_calls_nothing(host, triggers):
    gone = triggers.get_blob_client("gone.json")
    elsewhere = [{"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": gone.url.replace("triggers", "x")}}]
    for events in (event(gone), elsewhere, event(gone, "Microsoft.Storage.BlobDeleted")):
        assert host.http.post(f"{host.url}{ADDRESS}", json=events).status_code == 200
    assert host.notes.all("blob", name="triggers/gone.json") == []


def test_a_failed_call_asks_for_another_delivery(azurite, tmp_path):
    settings = {"SampleContainer": "hooks", "SampleQueue": "none"}
    with (
        ContainerClient.from_connection_string(azurite.data_connection, "hooks") as hooks,
        running_host(tmp_path, azurite, events=False, **settings) as host,
    ):
        hooks.create_container()
        blob = hooks.upload_blob("bad", b"fail always")
        assert host.http.post(f"{host.url}{ADDRESS}", json=event(blob)).status_code == 500
        blob.upload_blob(b"good", overwrite=True)
        assert host.http.post(f"{host.url}{ADDRESS}", json=event(blob)).status_code == 200


@pytest.mark.fault(68)
def test_the_handshake_of_a_new_subscription_is_answered(host):
    asked = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "4711"}}]
    answer = host.http.post(f"{host.url}{ADDRESS}", json=asked)
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "4711"})


@pytest.mark.parametrize(("address", "body", "status"), [("on_nothing", "[]", 404), ("on_blob", "{", 400)])
def test_what_is_no_delivery_is_refused(host, address, body, status):
    url = f"{host.url}{ADDRESS.replace('on_blob', address)}"
    assert host.http.post(url, content=body).status_code == status


@pytest.mark.fault(68)
def test_deliveries_need_a_key_where_keys_are_asked_for(azurite, tmp_path):
    with running_host(tmp_path, azurite, events=False, arguments=("--enable-auth",)) as host:
        key = json.loads((tmp_path / "state" / "keys.json").read_text())["default"]
        assert host.http.post(f"{host.url}{ADDRESS}", content="[]").status_code == 401
        assert host.http.post(f"{host.url}{ADDRESS}&code={quote(key)}", content="{").status_code == 400
