"""The log of a run: what its actors have said, filtered, and followed by requests that wait for the next line."""

from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.operations import Served
from dropscore.api.page.rendering import LIVE_HEADER, Pages
from dropscore.contracts.codec import decode
from dropscore.contracts.http.items import LogLevel, LogLine, LogPage

WAIT_S = 15
"""How long a request of the script waits for a line."""
PAGES = 12
"""Pages that are read until the newest lines are reached."""
SHOWN, SHOWN_SHORT = 500, 40
"""Newest lines on a page of their own, and on that of a run."""
FILTERS = ("actor", "level", "item")


class LogsPage:
    """`/runs/{run_id}/logs`."""

    def __init__(self, pages: Pages, served: Mapping[str, Served]) -> None:
        self._pages = pages
        self._logs = served["GetLogs"].handler

    async def show(self, request: Request) -> Response:
        """GET /runs/{run_id}/logs: the newest lines; for the script, those after `after` as soon as there are some."""
        query = _asked(request)
        if LIVE_HEADER in request.headers:
            after = request.query_params.get("after")
            page = await self._read(request, {**query, "wait_s": str(WAIT_S), **({"after": after} if after else {})})
            tail = {"lines": page.lines, "next": page.next, "ended": page.ended, "more": page.more}
        else:
            tail = await self.tail(request, query, SHOWN, PAGES)
        context = {"run_id": request.path_params["run_id"], "asked": query, "levels": [str(one) for one in LogLevel]}
        extra = {"next": tail["next"], "ended": tail["ended"]}
        return self._pages.answer(request, "logs.html", {**context, **tail, "told": extra})

    async def tail(self, request: Request, query: Mapping[str, str], shown: int, pages: int) -> dict[str, Any]:
        """The newest lines: pages are read to the end, or as many as allowed."""
        lines: deque[LogLine] = deque(maxlen=shown)
        asked = dict(query)
        for _ in range(pages):
            page = await self._read(request, asked)
            lines.extend(page.lines)
            asked["after"] = page.next
            if not page.more:
                break
        return {"lines": list(lines), "next": page.next, "ended": page.ended, "more": page.more}

    async def _read(self, request: Request, query: Mapping[str, str]) -> LogPage:
        inner = Request({**request.scope, "query_string": urlencode(query).encode()}, request.receive)
        return decode(LogPage, bytes((await self._logs(inner)).body))


def _asked(request: Request) -> dict[str, str]:
    return {name: text for name in FILTERS if (text := request.query_params.get(name, "").strip())}
