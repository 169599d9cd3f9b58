"""The Container Instances emulator inside the test's process: real programs, real state on disk, no socket."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcloud.containers.engine import Engine, open_engine
from localcloud.containers.http.service import containers_service
from localcloud.containers.settings import Settings
from localcloud.emulation.clock import SystemClock
from localcloud.emulation.documents import Documents

VERSION = "2023-05-01"
GROUPS = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups"


def group_body(*commands: list[str], policy: str = "Never", **properties: Any) -> dict[str, Any]:
    """A group with a container for each command, called `c0`, `c1` and so on."""
    resources = {"requests": {"cpu": 1.0, "memoryInGB": 1.5}}
    containers = [
        {"name": f"c{number}", "properties": {"image": "r.azurecr.io/x:1", "command": command, "resources": resources}}
        for number, command in enumerate(commands)
    ]
    head = {"osType": "Linux", "restartPolicy": policy, "containers": containers}
    return {"location": "westeurope", "properties": head | properties}


class Containers:
    """A client of the emulator, with the calls that tests make most."""

    def __init__(self, engine: Engine, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.http = http

    async def call(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Any:
        """Send a request below the groups' address; returns the decoded body."""
        url = httpx.URL(path if path.startswith(("/", "http")) else f"{GROUPS}/{path}".rstrip("/"))
        more = {} if body is None else {"json": body}
        answer = await self.http.request(method, url.copy_merge_params({"api-version": VERSION}), **more)
        assert answer.status_code == status if status else answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    async def put(self, name: str, *commands: list[str], **more: Any) -> Any:
        return await self.call("PUT", name, group_body(*commands, **more))

    async def group(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", name)
        return found

    async def until(self, condition: Callable[[], Awaitable[object]], *, within_s: float = 30.0) -> Any:
        """Wait until an asynchronous condition gives something true, and return that."""
        deadline = time.monotonic() + within_s
        while not (found := await condition()):
            assert time.monotonic() < deadline, f"not within {within_s} s"
            await asyncio.sleep(0.003)
        return found

    async def group_in(self, state: str, name: str = "g") -> dict[str, Any]:
        """Wait until a group is in a state, and return it."""

        async def there() -> dict[str, Any] | None:
            found = await self.group(name)
            return found if found["properties"]["instanceView"]["state"] == state else None

        found: dict[str, Any] = await self.until(there)
        return found

    async def log(self, name: str = "g", container: str = "c0", query: str = "") -> str:
        text: str = (await self.call("GET", f"{name}/containers/{container}/logs{query}"))["content"]
        return text


def view(group: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """The instance view of one of a group's containers."""
    found: dict[str, Any] = group["properties"]["containers"][number]["properties"]["instanceView"]
    return found


@pytest.fixture
def run_containers(tmp_path: Path) -> Callable[..., Any]:
    """Run a scenario against an emulator; called twice, the second one finds the first one's state."""

    def run(scenario: Callable[[Containers], Awaitable[Any]], **settings: Any) -> Any:
        return asyncio.run(_run(scenario, Settings(state=tmp_path / "state", **{"grace_s": 0.3} | settings)))

    return run


async def _run(scenario: Callable[[Containers], Awaitable[Any]], settings: Settings) -> Any:
    async with open_engine(settings, Documents(settings.state), SystemClock()) as engine:
        transport = httpx.ASGITransport(app=containers_service(engine))
        headers = {"authorization": "Bearer token"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http:
            return await scenario(Containers(engine, http))


@pytest.fixture
def instance_view() -> Callable[..., dict[str, Any]]:
    """The instance view of one of a group's containers."""
    return view


@pytest.fixture
def body() -> Callable[..., dict[str, Any]]:
    """A group's body with a container for each command."""
    return group_body
