"""Lists: filtered, projected, a page at a time, with an absolute link to the next page."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from localcloud.batch.http.answers import Answers
from localcloud.batch.http.odata import parse_filter, select
from localcloud.batch.http.refusals import refuse
from localcloud.emulation.routing import Call

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed[T]:
    """What is listed. Items come by `key`, so a page's end stays valid while items come and go.

    `cheap` has an item's members that need no look at anything else; filters see only those. `full` adds the rest.
    """

    kind: str
    items: Iterable[T]
    key: Callable[[T], str]
    cheap: Callable[[T], dict[str, Any]]
    properties: frozenset[str]
    full: Callable[[T, dict[str, Any]], dict[str, Any]] | None = None


def list_page[T](call: Call, answers: Answers, listed: Listed[T]) -> Response:
    """One page as an answer. Raises ServiceError."""
    size = page_size(call)
    matches = parse_filter(call.query["$filter"], listed.properties) if call.query.get("$filter") else None
    after = _after(call.query.get("$skiptoken"))
    names = call.query.get("$select")
    select({}, names, listed.properties)
    page: list[tuple[T, dict[str, Any]]] = []
    for item in sorted(listed.items, key=listed.key):
        if after is not None and listed.key(item) <= after:
            continue
        view = listed.cheap(item)
        if matches is None or matches(view):
            page.append((item, view))
        if len(page) > size:
            break
    shown = [listed.full(item, view) if listed.full else view for item, view in page[:size]]
    body: dict[str, Any] = {"value": [select(view, names, listed.properties) for view in shown]}
    if len(page) > size:
        body["odata.nextLink"] = _next_link(call, listed.key(page[size - 1][0]))
    return answers.json(call, body, kind=listed.kind)


def page_size(call: Call) -> int:
    """`maxresults`, 1 to 1000. Raises ServiceError."""
    text = call.query.get("maxresults", str(MAX_PAGE))
    if not text.lstrip("-").isdecimal():
        raise refuse("InvalidQueryParameterValue", f"maxresults must be a whole number, not {text!r}.")
    if not 1 <= int(text) <= MAX_PAGE:
        raise refuse("OutOfRangeQueryParameterValue", f"maxresults must be 1 to {MAX_PAGE}, not {text}.")
    return int(text)


def _after(token: str | None) -> str | None:
    if not token:
        return None
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise refuse("InvalidQueryParameterValue", "$skiptoken is not one of ours.") from None


def _next_link(call: Call, last: str) -> str:
    query = {name: value for name, value in call.query.items() if name != "$skiptoken"}
    query["$skiptoken"] = base64.urlsafe_b64encode(last.encode()).decode()
    return f"{call.base_url}{call.path}?{urlencode(query)}"


def paths(members: str, **nested: Sequence[str]) -> frozenset[str]:
    """Property paths: the members of a resource, and those of its members as `member/name`."""
    names = members.split()
    return frozenset(names) | {f"{member}/{name}" for member, inner in nested.items() for name in inner}
