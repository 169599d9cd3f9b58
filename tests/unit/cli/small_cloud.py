"""The real API on loopback over a cloud in memory, and runs whose states tests write by hand."""

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from rich.console import Console
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import function_app
from activities.ports import Ports
from dropscore.api.app import create_api
from dropscore.api.boundary import Boundary
from dropscore.cli.client import Api
from dropscore.cli.screen import Screen
from dropscore.cli.session import Session
from dropscore.cloud.memory import MEMORY_ACCOUNTS, ManualClock, MemoryCloud, memory_cloud
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.names import Account
from dropscore.contracts.receipt import OutputFile, OutputManifest
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import RunState, RunStatus, StageTime, index_metadata

STORAGE = "/storage"
"""Where links lead, on the same server."""
START = "2026-01-01T00:00:00.000000Z"


def at(seconds: float) -> str:
    return f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:09.6f}Z"


def state_of(run_id: str, status: RunStatus, **changes: Any) -> RunState:
    """The state of a run that went the usual way up to a status, two seconds in each."""
    way = [RunStatus.PENDING, RunStatus.PLANNING, RunStatus.PROVISIONING, RunStatus.SCORING, RunStatus.STITCHING]
    passed = way[: way.index(status) + 1] if status in way else [*way, status]
    fields: dict[str, Any] = {
        "run_id": run_id,
        "status": status,
        "source": RunSource(kind="http"),
        "created_at": START,
        "updated_at": at(2 * (len(passed) - 1)),
        "workload": "style_transfer",
        "stages": tuple(StageTime(status=stage, at=at(2 * place)) for place, stage in enumerate(passed)),
        "items_total": 120,
    }
    return RunState(**(fields | changes))


@dataclass
class SmallCloud:
    """The API's address and what lies behind it."""

    url: str
    memory: MemoryCloud
    clock: ManualClock
    storage: "Storage"

    def put_run(self, state: RunState) -> None:
        """Store a run as the activities do: request, state, list entry."""
        blobs = self.memory.blobs
        record = RunRecord(
            run_id=state.run_id,
            source=state.source,
            created_at=state.created_at,
            body="{}",
            body_bytes=2,
            body_sha256=sha256_hex(b"{}"),
        )
        blobs.put(layout.request(state.run_id), encode_bytes(record))
        blobs.put(layout.state(state.run_id), encode_bytes(state))
        blobs.put(layout.index_entry(state.run_id), b"", metadata=index_metadata(state))

    def publish(self, run_id: str, files: dict[str, bytes]) -> None:
        """Publish outputs, a report and a receipt."""
        blobs = self.memory.blobs
        outputs = tuple(
            OutputFile(name=name, sha256=sha256_hex(data), size_bytes=len(data), media_type="video/mp4")
            for name, data in files.items()
        )
        for name, data in files.items():
            blobs.put(layout.output(run_id, name), data)
        manifest = OutputManifest(
            run_id=run_id, status=RunStatus.SUCCEEDED, outputs=outputs, items_published=1, items_total=1, coverage=1.0
        )
        blobs.put(layout.output_manifest(run_id), encode_bytes(manifest))
        blobs.put(layout.report_html(run_id), b"<!doctype html>")
        blobs.put(layout.receipt(run_id), b"{}")

    def session(self, *, as_json: bool = False, pause: Callable[[float], None] | None = None) -> "TestSession":
        return TestSession(self, as_json=as_json, pause=pause)


class TestSession:
    """A session whose screen can be read."""

    __test__ = False

    def __init__(
        self,
        cloud: SmallCloud,
        *,
        as_json: bool = False,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._out, self._err = io.StringIO(), io.StringIO()
        self.session = Session(
            screen=Screen(
                as_json=as_json, out=Console(file=self._out, width=200), err=Console(file=self._err, width=200)
            ),
            api=lambda: Api(cloud.url),
            blobs=lambda _account: cloud.memory.blobs,
            data_account=lambda: MEMORY_ACCOUNTS[Account.DATA],
            pause=pause or cloud.clock.advance,
            monotonic=cloud.clock.monotonic,
            now=cloud.clock.now,
        )

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


class Storage:
    """Answers whoever follows a link, beside the API."""

    def __init__(self, memory: MemoryCloud, api: ASGIApp) -> None:
        self._links = memory.links
        self._api = api
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        """Method and headers of every request."""
        self.refusals: list[int] = []
        """Statuses with which the next requests are answered instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(STORAGE):
            await self._api(scope, receive, send)
            return
        request = Request(scope, receive)
        body, headers = await request.body(), dict(request.headers)
        self.asked.append((request.method, headers))
        url = f"{scope['raw_path'].decode().removeprefix(STORAGE)}?{scope['query_string'].decode()}"
        if self.refusals:
            await Response(status_code=self.refusals.pop(0))(scope, receive, send)
            return
        answer = self._links.answer(request.method, url, headers, body)
        await Response(answer.body, answer.status, dict(answer.headers))(scope, receive, send)


@contextmanager
def running_cloud() -> Iterator[SmallCloud]:
    """The API and its storage in a thread of this process, on a free port of loopback."""
    clock = ManualClock(START)
    memory = memory_cloud(clock)
    ports = Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="cpu",
        container_environment=TaskEnvironment(plain={}, secret={}),
    )
    services = function_app.assemble(ports).services
    storage = Storage(memory, Boundary(create_api(lambda: services), memory.orchestrations))
    config = uvicorn.Config(storage, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        memory.links.base = f"{url}{STORAGE}"
        yield SmallCloud(url=url, memory=memory, clock=clock, storage=storage)
    finally:
        server.should_exit = True
        thread.join()
