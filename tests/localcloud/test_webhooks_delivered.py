"""Webhooks in a whole local cloud: a real run ends, and a real receiver on this machine is told, sooner or later."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from clouds import local_cloud, new_home
from hosting import ROOT
from main_job import MainJob, small_picture

from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.http.webhooks import Notification, WebhookDocument
from dropscore.contracts.names import QueueName
from dropscore.contracts.run import RunStatus
from dropscore.contracts.signatures import SIGNATURE, verify

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.localcloud,
    pytest.mark.slow,
    pytest.mark.xdist_group("webhooks"),
    pytest.mark.timeout(240),
]

START_LIMIT_S = 60
ATTEMPTS = 3
PICTURE = {"workload": "style_transfer", "inputs": ["small.png"]}
BAD = {"workload": "style_transfer", "inputs": ["nothing.png"]}


class Receiver:
    """A receiver on loopback. It answers 503 as long as `down` says, and keeps what it verified."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.down: dict[str, int] = {}
        """Letters to refuse, by path."""
        self.taken: list[tuple[str, Notification]] = []
        self.tries: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(self.path, self.headers[SIGNATURE], body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def take(self, path: str, signature: str, body: bytes) -> int:
        self.tries.append(path)
        if self.down.get(path, 0) > 0:
            self.down[path] -= 1
            return 503
        verify(self.secrets[path], signature, body, time.time())
        self.taken.append((path, decode(Notification, body)))
        return 204

    def at(self, path: str) -> list[Notification]:
        return [news for where, news in self.taken if where == path]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[MainJob]:
    settings = (
        "--set=WorkerDevice=cpu",
        f"--set=WebhookAllow=127.0.0.1:{receiver.port}",
        f"--set=WebhookAttempts={ATTEMPTS}",
        "--set=WebhookRetrySeconds=0.5",
    )
    with local_cloud(new_home(tmp_path_factory.mktemp("cloud")), *settings, app=ROOT) as cloud:
        deadline = time.monotonic() + START_LIMIT_S
        while not cloud.ready:
            assert time.monotonic() < deadline, "".join(cloud.lines)
            time.sleep(0.02)
        job = MainJob.of(cloud)
        job.upload("small.png", small_picture())
        yield job


def subscribe(job: MainJob, receiver: Receiver, path: str, **fields: object) -> WebhookDocument:
    asked = {"url": f"http://127.0.0.1:{receiver.port}{path}", "events": ["run.finished"], **fields}
    answer = job.post("/api/v1/webhooks", json=asked)
    assert answer.status_code == 201, answer.text
    made = decode(WebhookDocument, answer.content)
    assert answer.headers["location"] == f"{job.cloud.written['api_url']}/api/v1/webhooks/{made.id}"
    receiver.secrets[path] = made.secret or ""
    return made


def start(job: MainJob, body: dict[str, object]) -> str:
    answer = job.post("/api/v1/runs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run_id"])


def test_end_of_a_run_is_told_to_a_receiver_that_verifies_it(
    job: MainJob, receiver: Receiver, wait_until: object
) -> None:
    made = subscribe(job, receiver, "/first")
    run_id = start(job, PICTURE)
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    wait_until(lambda: receiver.at("/first"), within_s=60)  # type: ignore[operator]
    (news,) = receiver.at("/first")
    assert (news.run_id, news.status, news.items_done) == (run_id, RunStatus.SUCCEEDED, 1)
    assert httpx.get(news.run, timeout=20).json()["run_id"] == run_id
    told = layout.told(run_id, news.id, made.id)
    wait_until(lambda: job.storage.blobs.head(told) is not None)  # type: ignore[operator]
    gone = httpx.delete(f"{job.cloud.written['api_url']}/api/v1/webhooks/{made.id}", timeout=20)
    assert gone.status_code == 204


@pytest.mark.fault(58)
def test_target_that_is_not_allowed_by_name_is_refused(job: MainJob, receiver: Receiver) -> None:
    for url in (f"http://127.1:{receiver.port}/", f"https://localhost:{receiver.port}/", job.cloud.written["api_url"]):
        answer = job.post("/api/v1/webhooks", json={"url": url, "events": ["run.finished"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "E-WEBHOOK-TARGET")


def test_receiver_that_was_down_is_told_later(job: MainJob, receiver: Receiver, wait_until: object) -> None:
    receiver.down["/later"] = ATTEMPTS - 1
    made = subscribe(job, receiver, "/later")
    run_id = start(job, BAD)
    assert job.end(run_id).status is RunStatus.REJECTED
    wait_until(lambda: receiver.at("/later"), within_s=30)  # type: ignore[operator]
    assert [(news.run_id, news.status) for news in receiver.at("/later")] == [(run_id, RunStatus.REJECTED)]
    assert receiver.tries.count("/later") == ATTEMPTS
    job.post(f"/api/v1/webhooks/{made.id}/test")
    httpx.delete(f"{job.cloud.written['api_url']}/api/v1/webhooks/{made.id}", timeout=20)


def test_what_nobody_took_lies_in_the_poison_queue_and_is_told_when_retried(
    job: MainJob, receiver: Receiver, wait_until: object
) -> None:
    receiver.down["/never"] = ATTEMPTS
    subscribe(job, receiver, "/never")
    start(job, BAD)
    wait_until(lambda: job.storage.queue.depth(QueueName.WEBHOOKS_POISON) == 1, within_s=30)  # type: ignore[operator]
    (message,) = job.storage.queue.peek(QueueName.WEBHOOKS_POISON, count=1)
    assert "127.0.0.1: the receiver answered 503; that was attempt 3" in json.loads(message.body)["reason"]
    answer = job.post(f"/api/v1/poison/webhooks/{message.message_id}/retry")
    assert answer.json()["sent"] is True
    wait_until(lambda: receiver.at("/never"), within_s=30)  # type: ignore[operator]
    assert receiver.tries.count("/never") == ATTEMPTS + 1
