"""Blob triggers under the local host: once for each version, properties, retries, poison messages, backstop."""

import asyncio
import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.storage.blob import BlobBlock, ContainerClient
from hosting import running_host

from localcloud.host.blobs import CONTENT_LIMIT_BYTES, BlobListener
from localcloud.host.functions import Function, Outcome
from localcloud.host.paths import BlobPattern
from localcloud.host.receipts import Receipts
from localcloud.host.storage import Connections

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("host")]


class RecordingApp:
    """Stands where the app is, and keeps what its function is called with."""

    def __init__(self):
        self.values = []

    async def invoke_logged(self, function, value, metadata, *, reason):
        self.values.append(value)
        return Outcome()


def test_a_blob_calls_the_function_within_milliseconds(host, triggers, wait_until):
    delays = []
    for number in range(10):
        begun = time.monotonic()
        triggers.upload_blob(f"quick/{number}", b"{}")
        wait_until(lambda number=number: host.notes.all("blob", name=f"triggers/quick/{number}"), every_s=0.001)
        delays.append(time.monotonic() - begun)
    assert sorted(delays)[5] < 0.3, "the median, upload included; polling alone would take seconds"


def test_the_function_sees_content_name_properties_and_metadata(host, triggers, wait_until):
    name = "folder/büro #1 %20.json"
    blob = triggers.upload_blob(name, b'{"a": 1}', metadata={"who": "me"})
    wait_until(lambda: host.notes.all("blob", name=f"triggers/{name}"))
    (note,) = host.notes.all("blob", name=f"triggers/{name}")
    stored = blob.get_blob_properties()
    assert note["content"] == '{"a": 1}'
    assert note["length"] == 8
    assert note["uri"] == blob.url
    assert note["metadata"] == {"who": "me"}
    assert note["properties"]["ETag"] == stored.etag
    assert note["properties"]["LastModified"] == stored.last_modified.isoformat()


@contextlib.contextmanager
def listening(azurite, folder, *, loses=lambda name: False, requests=None):
    """A listener to the triggers that nobody wakes but the test."""
    said = [] if requests is None else requests
    container = ContainerClient.from_connection_string(
        azurite.data_connection,
        "triggers",
        raw_request_hook=lambda request: said.append(request.http_request.method),
    )
    connections = Connections(settings=azurite.settings, threads=ThreadPoolExecutor(1))
    listener = BlobListener(
        app=RecordingApp(),
        function=Function(name="f", id="1", trigger={"name": "blob", "type": "blobTrigger"}, client_names=()),
        pattern=BlobPattern.parse("triggers/{name}"),
        container=container,
        poison=connections.queue("DataStorage", "unused"),
        poison_threshold=5,
        parallel=asyncio.Semaphore(1),
        receipts=Receipts(folder / "receipts"),
        connections=connections,
        loses=loses,
    )
    with container, connections.threads, contextlib.closing(listener.receipts):
        yield listener


async def handled(listener, *names):
    for name in names:
        listener.wake(name)
    await listener.drain(10)


def test_a_blob_is_read_with_one_request(azurite, triggers, tmp_path):
    triggers.upload_blob("read once", b"x" * 100_000)
    requests = []
    with listening(azurite, tmp_path, requests=requests) as listener:
        asyncio.run(handled(listener, "read once"))
    assert [len(value.value) for value in listener.app.values] == [100_000]
    assert requests == ["GET"]


def test_a_blob_whose_event_the_weather_loses_is_never_found_by_the_host(azurite, triggers, tmp_path):
    for name in ("told", "lost"):
        triggers.upload_blob(name, name.encode())
    with listening(azurite, tmp_path, loses=lambda name: name == "lost") as listener:
        asyncio.run(handled(listener, "told", "lost"))
        asyncio.run(handled(listener, "told", "lost"))
    assert [value.value for value in listener.app.values] == [b"told"]


def test_each_version_of_a_blob_calls_once(host, triggers, wait_until):
    for content in (b"first", b"second"):
        triggers.upload_blob("versions", content, overwrite=True)
        wait_until(lambda content=content: host.notes.all("blob", name="triggers/versions", content=content.decode()))
    triggers.upload_blob("after versions", b"")
    wait_until(lambda: host.notes.all("blob", name="triggers/after versions"))
    assert len(host.notes.all("blob", name="triggers/versions")) == 2


def test_a_blob_uploaded_in_blocks_calls_when_it_is_complete(host, triggers, wait_until):
    blob = triggers.get_blob_client("in blocks")
    blob.stage_block("MDAx", b"one ")
    blob.stage_block("MDAy", b"two")
    blob.commit_block_list([BlobBlock("MDAx"), BlobBlock("MDAy")])
    wait_until(lambda: host.notes.all("blob", name="triggers/in blocks"))
    assert [note["content"] for note in host.notes.all("blob", name="triggers/in blocks")] == ["one two"]


def test_an_empty_blob_calls_too(host, triggers, wait_until):
    triggers.upload_blob("empty", b"")
    wait_until(lambda: host.notes.all("blob", name="triggers/empty", length=None, read=0))


@pytest.mark.fault(7)
def test_a_large_blob_comes_with_its_length_and_without_its_content(host, triggers, wait_until):
    size = CONTENT_LIMIT_BYTES + 1
    triggers.upload_blob("large", b"x" * size)
    wait_until(lambda: host.notes.all("blob", name="triggers/large", length=size, read=0))


def test_a_blob_that_keeps_failing_is_written_about_and_left_alone(host, triggers, wait_until):
    blob = triggers.upload_blob("bad.json", b"fail always")
    etag = blob.get_blob_properties().etag
    wait_until(lambda: host.notes.all("blob-poison"))
    (note,) = host.notes.all("blob-poison")
    assert json.loads(note["body"]) == {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.on_blob",
        "BlobType": "BlockBlob",
        "ContainerName": "triggers",
        "BlobName": "bad.json",
        "ETag": etag,
    }
    assert len(host.notes.all("blob", name="triggers/bad.json")) == 2, "poisonBlobThreshold is 2"


def test_what_was_written_while_no_host_was_there_is_found_at_its_start(azurite, triggers, tmp_path, wait_until):
    triggers.upload_blob("while away", b"x")
    with running_host(tmp_path, azurite, events=False, SampleQueue="away") as first:
        wait_until(lambda: first.notes.all("blob", name="triggers/while away"))
    triggers.upload_blob("while away again", b"x")
    with running_host(tmp_path, azurite, events=False, SampleQueue="away") as second:
        wait_until(lambda: second.notes.all("blob", name="triggers/while away again"))
        assert len(second.notes.all("blob", name="triggers/while away")) == 1, "its receipt was kept"


def test_blobs_killed_in_the_middle_are_handled_by_the_next_host(azurite, tmp_path, wait_until):
    with ContainerClient.from_connection_string(azurite.data_connection, "killed") as container:
        container.create_container()
        settings = {"SampleContainer": "killed", "SampleQueue": "none"}
        with running_host(tmp_path, azurite, **settings) as first:
            for number in range(30):
                container.upload_blob(f"{number}", b"slow")
            wait_until(lambda: first.notes.all("blob"))
            first.kill()
            noted = {note["name"] for note in first.notes.all("blob")}
            assert len(noted) < 30, "killed in the middle"
        with running_host(tmp_path, azurite, **settings) as second:
            wait_until(
                lambda: {note["name"] for note in second.notes.all("blob done")} == {f"killed/{n}" for n in range(30)}
            )
