"""The Batch emulator inside the test's process: real programs, real state on disk, no socket."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcloud.batch.engine.engine import Engine, open_engine
from localcloud.batch.http.service import API_VERSION, batch_service
from localcloud.batch.settings import Settings
from localcloud.emulation.clock import SystemClock
from localcloud.emulation.documents import Documents

POOL = {
    "id": "pool",
    "vmSize": "local",
    "virtualMachineConfiguration": {
        "imageReference": {"publisher": "p", "offer": "o", "sku": "s"},
        "nodeAgentSKUId": "batch.node.ubuntu 22.04",
    },
}


class Batch:
    """A client of the emulator, with the calls that tests make most."""

    def __init__(self, engine: Engine, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.http = http

    async def call(self, method: str, path: str, body: object = None, *, status: int | None = None, **more: Any) -> Any:
        """Send a request; returns the decoded body. Fails unless the answer has `status` (or any success)."""
        url = httpx.URL(path).copy_merge_params({"api-version": API_VERSION})
        answer = (
            await self.http.request(method, url, json=body, **more)
            if body is not None
            else (await self.http.request(method, url, **more))
        )
        assert answer.status_code == status if status else answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else answer

    async def get(self, path: str, **more: Any) -> Any:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> Any:
        return await self.call("POST", path, body, **more)

    async def make_pool(self, *, nodes: int = 1, spot: int = 0, **more: Any) -> None:
        """A pool called `pool` with fixed targets, unless `more` says otherwise."""
        await self.post("/pools", POOL | {"targetDedicatedNodes": nodes, "targetLowPriorityNodes": spot} | more)

    async def make_job(self, job: str = "job", **more: Any) -> None:
        """A job on `pool`."""
        await self.post("/jobs", {"id": job, "poolInfo": {"poolId": "pool"}} | more)

    async def add(self, task: str, command: str, *, job: str = "job", **more: Any) -> None:
        """A task."""
        await self.post(f"/jobs/{job}/tasks", {"id": task, "commandLine": command} | more)

    async def task(self, task: str, job: str = "job") -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/jobs/{job}/tasks/{task}")
        return found

    async def nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("/pools/pool/nodes"))["value"]
        return found

    async def until(self, condition: Callable[[], Awaitable[object]], *, within_s: float = 30.0) -> Any:
        """Wait until an asynchronous condition gives something true, and return that."""
        deadline = time.monotonic() + within_s
        while not (found := await condition()):
            assert time.monotonic() < deadline, f"not within {within_s} s"
            await asyncio.sleep(0.005)
        return found

    async def task_in(self, state: str, task: str, job: str = "job") -> dict[str, Any]:
        """Wait until a task is in a state, and return it."""

        async def there() -> dict[str, Any] | None:
            found = await self.task(task, job)
            return found if found["state"] == state else None

        found: dict[str, Any] = await self.until(there)
        return found

    async def job_in(self, state: str, job: str = "job") -> dict[str, Any]:
        """Wait until a job is in a state, and return it."""

        async def there() -> dict[str, Any] | None:
            found = await self.get(f"/jobs/{job}")
            return found if found["state"] == state else None

        found: dict[str, Any] = await self.until(there)
        return found

    async def pool_steady(self, pool: str = "pool") -> dict[str, Any]:
        """Wait until a pool's allocation is steady, and return the pool."""

        async def there() -> dict[str, Any] | None:
            found = await self.get(f"/pools/{pool}")
            return found if found["allocationState"] == "steady" else None

        found: dict[str, Any] = await self.until(there)
        return found

    async def tell(self, node: str, task: str, word: str, job: str = "job") -> None:
        """Put a file beside a task's folder, which is there a moment after the task is called running."""
        folder = self.engine.context.folders.task("pool", node, job, task).parent

        async def there() -> bool:
            return folder.is_dir()

        await self.until(there)
        (folder / word).touch()

    async def file(self, task: str, name: str, job: str = "job") -> str:
        text: str = (await self.get(f"/jobs/{job}/tasks/{task}/files/{name}")).text
        return text

    async def ledger(self, kind: str, identity: str | None = None) -> list[str]:
        """The events of one kind of thing, or of one thing, in order."""
        lines = (await self.get("/_emulator/ledger"))["value"]
        return [line["event"] for line in lines if line["kind"] == kind and identity in {None, line["id"]}]


Scenario = Callable[[Batch], Awaitable[Any]]


@pytest.fixture
def run_batch(tmp_path: Path) -> Callable[..., Any]:
    """Run a scenario against an emulator whose settings are quick; called twice, it finds the first one's state."""

    def run(scenario: Scenario, **settings: Any) -> Any:
        quick = {"nodes": 2, "slots": 4, "grace_s": 0.3, "autoscale_interval": timedelta(milliseconds=30)}
        return asyncio.run(_run(scenario, Settings(state=tmp_path / "state", **quick | settings)))

    return run


async def _run(scenario: Scenario, settings: Settings) -> Any:
    async with open_engine(settings, Documents(settings.state), SystemClock()) as engine:
        transport = httpx.ASGITransport(app=batch_service(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await scenario(Batch(engine, http))
