"""Sends requests to an ASGI application, each through a boundary of its own as in the Function app."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp

from dropscore.api.boundary import Boundary
from dropscore.cloud.ports import Orchestrations


class ApiClient:
    """A client of the API in this process."""

    def __init__(self, app: ASGIApp, orchestrations: Orchestrations) -> None:
        self._app = app
        self._orchestrations = orchestrations

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.send("GET", path, params=query or None)

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.send("POST", path, **request)

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(Boundary(self._app, self._orchestrations), raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                return await client.request(method, path, **request)

        return asyncio.run(sent())
