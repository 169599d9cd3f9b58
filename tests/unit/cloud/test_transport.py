"""Requests are counted by what they do, and stay off proxies when they stay on this machine."""

import io
import subprocess
import sys

import pytest
import requests
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import HttpRequest
from requests.adapters import HTTPAdapter

from dropscore.cloud.operations import Operation, Operations
from dropscore.cloud.transport import CountingTransport, classify

CLOUD, LOCAL = "https://acct.blob.core.windows.net", "http://127.0.0.1:10000/acct"


@pytest.mark.parametrize("base", [CLOUD, LOCAL])
@pytest.mark.parametrize(
    ("method", "rest", "copies", "kind", "target"),
    [
        ("PUT", "/runs/r1/state.json", False, "blob.put", "runs/r1/state.json"),
        ("PUT", "/runs/r1/state.json?timeout=5", False, "blob.put", "runs/r1/state.json"),
        ("PUT", "/runs/b", True, "blob.copy", "runs/b"),
        ("PUT", "/runs/b?comp=block&blockid=AA", False, "blob.put_block", "runs/b"),
        ("PUT", "/runs/b?comp=blocklist", False, "blob.put_block_list", "runs/b"),
        ("PUT", "/runs/b?comp=metadata", False, "blob.metadata", "runs/b"),
        ("GET", "/inputs/a%20b%23.mp4", False, "blob.get", "inputs/a b#.mp4"),
        ("HEAD", "/inputs/a", False, "blob.head", "inputs/a"),
        ("DELETE", "/inputs/a", False, "blob.delete", "inputs/a"),
        ("GET", "/runs?restype=container&comp=list&prefix=r1%2Fverdicts%2F", False, "blob.list", "runs/r1/verdicts/"),
        ("POST", "/shards-normal/messages", False, "queue.put", "shards-normal"),
        ("GET", "/shards-normal/messages?numofmessages=32", False, "queue.get", "shards-normal"),
        ("PUT", "/shards-normal/messages/id?popreceipt=x", False, "queue.update", "shards-normal"),
        ("DELETE", "/shards-normal/messages/id?popreceipt=x", False, "queue.delete", "shards-normal"),
        ("GET", "/shards-normal?comp=metadata", False, "queue.depth", "shards-normal"),
        ("PUT", "/runs?restype=container", False, "setup", "runs"),
    ],
)
def test_a_request_is_named_by_what_it_does(base, method, rest, copies, kind, target):
    assert classify(method, base + rest, copies=copies) == (kind, target)


def test_requests_to_this_machine_never_go_through_a_proxy():
    assert CountingTransport("http://127.0.0.1:1").session.trust_env is False
    assert CountingTransport("https://acct.blob.core.windows.net").session.trust_env is True


def test_sixteen_threads_have_a_connection_each():
    adapter = CountingTransport(CLOUD).session.get_adapter(CLOUD)

    assert adapter.poolmanager.connection_pool_kw["maxsize"] >= 32


class Recorder(HTTPAdapter):
    """Takes requests instead of a server, and keeps what it would have sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, request, **options):
        self.sent.append((type(request.body), request.headers["Content-Length"], b"".join(request.body)))
        raise requests.ConnectionError("nobody there")


def test_a_large_body_is_sent_in_pieces_and_again_from_its_beginning():
    """In one piece it would have to pass the line within the connect timeout."""
    transport, recorder, body = CountingTransport(CLOUD), Recorder(), b"line\n" * 200_000
    transport.session.mount(CLOUD, recorder)
    request = HttpRequest("PUT", f"{CLOUD}/inputs/film.mp4")
    request.set_bytes_body(body)

    for _ in range(2):
        with pytest.raises(ServiceRequestError, match="nobody there"):
            transport.send(request)

    assert recorder.sent == [(io.BytesIO, "1000000", body)] * 2
    assert request.data == body


def test_operations_are_counted_and_forgotten():
    operations = Operations(remember=True)
    operations.note("blob.put", "a")
    operations.note("blob.put", "b")
    operations.note("queue.get", "q")

    assert operations.counts() == {"blob.put": 2, "queue.get": 1}
    assert operations.total() == 3
    assert operations.targets("blob.put") == ["a", "b"]
    operations.clear()
    assert operations.total() == 0
    assert operations.targets("blob.put") == []


def test_a_counter_that_runs_for_days_remembers_no_targets():
    operations = Operations()
    operations.note("blob.put", "a")

    assert operations.targets("blob.put") == []


def test_an_operation_that_is_interrupted_was_still_asked_for():
    seen: list[Operation] = []
    operations = Operations(interrupt=seen.append)

    operations.note("blob.put", "a")

    assert seen == [Operation("blob.put", "a")]


@pytest.mark.parametrize("module", ["ports", "settings", "memory", "blob_file", "input_files", "connect"])
def test_importing_a_port_a_twin_or_settings_imports_nothing_of_azures(module):
    code = f"import dropscore.cloud.{module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}

    assert "pydantic" in loaded
    assert not loaded & {"azure", "requests", "numpy", "torch", "av", "PIL"}
