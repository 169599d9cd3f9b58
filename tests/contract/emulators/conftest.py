"""Emulators as processes, the real SDK clients, and Microsoft's OpenAPI documents to hold every exchange against."""

import base64
import contextlib
import importlib.util
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

ACCOUNT = "contract"
KEY = base64.b64encode(b"the key of the contract tests").decode()
SIGNED = ("--account", ACCOUNT, "--key", KEY)


@dataclass(slots=True, kw_only=True)
class Emulator:
    """An emulator's process, its address and its state folder."""

    process: subprocess.Popen[str]
    url: str
    state: Path

    def kill(self) -> None:
        """SIGKILL, as the kernel or a careless user does it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz") as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def start_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Emulator]]:
    """Start `batch` or `containers`, on a new state folder unless one is given; all are stopped in the end."""
    with contextlib.ExitStack() as stack:

        def start(name: str, *options: str, state: Path | None = None, signed: bool = False) -> Emulator:
            folder = state or tmp_path_factory.mktemp(name)
            command = [sys.executable, "-m", f"localcloud.{name}", "--state", str(folder), *options]
            command += SIGNED if signed else ()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.callback(_end, process)
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            deadline = time.monotonic() + 20
            while not healthy(url):
                assert time.monotonic() < deadline, "the emulator did not answer"
            return Emulator(process=process, url=url, state=folder)

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture(scope="session")
def check_spec(specifications: Path) -> ModuleType:
    """The checker beside Microsoft's documents."""
    found = importlib.util.spec_from_file_location("check_spec", specifications / "check_spec.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer as they went over the wire; `url` has no scheme and host."""

    method: str
    url: str
    request: Any
    status: int
    answer: Any
    headers: dict[str, str]


@dataclass(slots=True)
class Exchanges:
    """Everything a client has sent and got."""

    found: list[Exchange] = field(default_factory=list)

    def operations(self, spec: Any) -> set[str]:
        """The ids of the operations that were called and succeeded."""
        return {spec.find(item.method, item.url)[1]["operationId"] for item in self.found if item.status < 300}

    def problems(self, spec: Any) -> list[str]:
        """What of it is not as Microsoft's document says.

        The document has no answers of 304. Requests for what is not emulated are sent bare, so only answers count.
        """
        found = []
        for item in self.found:
            if item.status != 501:
                found += spec.check_request(item.method, item.url, item.request)
            has_body = item.status != 304 and not (item.method == "HEAD" and item.status == 501)
            if has_body:
                found += spec.check_response(item.method, item.url, item.status, item.answer, item.headers)
        return found


class RecordingTransport(RequestsTransport):  # the client's own way to see what is on the wire
    """Sends as the client does, and writes down the exchange."""

    def __init__(self, exchanges: Exchanges, ignore: str = "\0", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._exchanges = exchanges
        self._ignore = ignore

    def send(self, request: Any, **kwargs: Any) -> Any:
        response = super().send(request, **kwargs)
        url = request.url.partition("://")[2].partition("/")[2]
        if self._ignore not in url:
            sent = request.body if hasattr(request, "body") else request.content
            stream = kwargs.get("stream") and "json" not in response.headers.get("content-type", "")
            body = None if stream else response.body()
            self._exchanges.found.append(
                Exchange(
                    method=request.method,
                    url=f"/{url}",
                    request=json.loads(sent) if sent else None,
                    status=response.status_code,
                    answer=json.loads(body) if body and "json" in response.headers["content-type"] else None,
                    headers=dict(response.headers),
                )
            )
        return response


@pytest.fixture
def exchanges() -> Exchanges:
    """What this test's clients send and get."""
    return Exchanges()


@pytest.fixture
def batch_client(exchanges: Exchanges) -> Iterator[Callable[[Emulator], BatchClient]]:
    """The real Batch client, signing with the account's key and without retries."""
    with contextlib.ExitStack() as stack:

        def make(emulator: Emulator) -> BatchClient:
            credential = AzureNamedKeyCredential(ACCOUNT, KEY)
            transport = RecordingTransport(exchanges)
            client = BatchClient(emulator.url, credential, transport=transport, retry_total=0, polling_interval=0.05)
            return stack.enter_context(client)

        yield make


class Token:
    """A credential that always has a token."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("token", int(time.time()) + 3600)


class OverHttp(ARMChallengeAuthenticationPolicy):
    """The client's own policy, allowed to speak to loopback without TLS."""

    def on_request(self, request: Any) -> None:
        request.context.options["enforce_https"] = False
        super().on_request(request)


@pytest.fixture
def containers_client(exchanges: Exchanges) -> Iterator[Callable[[Emulator], ContainerInstanceManagementClient]]:
    """The real Container Instances client."""
    with contextlib.ExitStack() as stack:

        def make(emulator: Emulator) -> ContainerInstanceManagementClient:
            policy = OverHttp(Token(), "https://management.azure.com/.default")
            client = ContainerInstanceManagementClient(
                Token(),
                "sub1",
                base_url=emulator.url,
                authentication_policy=policy,
                transport=RecordingTransport(exchanges, ignore="/operations/"),
                retry_total=0,
                polling_interval=0.02,
            )
            return stack.enter_context(client)

        yield make
