"""Who looks at a page, how they came there, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request

from dropscore.api.callers import Caller, allows, caller_of
from dropscore.api.operations import Operation
from dropscore.api.page.security import new_token, token_of
from dropscore.api.routing import KEY_PARAMETER

KEY_HEADER = "x-functions-key"
"""Sent by the script; a browser itself sends a key in the query alone, and so links of ours carry it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One look at a page. `token` is the secret of its forms; `fresh` says that the browser does not hold it yet."""

    caller: Caller
    path: str
    query: Mapping[str, str]
    read_only: bool
    token: str = field(repr=False)
    fresh: bool
    key: str | None = field(default=None, repr=False)

    def to(self, path: str, **query: object) -> str:
        """The address of another page of ours, with the key if there is one. What is empty is left out."""
        asked = {name: str(value) for name, value in query.items() if value not in (None, "")}
        if self.key is not None:
            asked[KEY_PARAMETER] = self.key
        return f"{path}?{urlencode(asked)}" if asked else path

    def here(self, **query: object) -> str:
        """The address of this page with some of its query changed."""
        return self.to(self.path, **{**self.query, **query})

    def may(self, operation: Operation) -> bool:
        """Whether the caller may ask for an operation that changes something, on this page."""
        return not self.read_only and allows(self.caller, operation)


def visit_of(request: Request, *, read_only: bool) -> Visit:
    """The visit that a request is."""
    token = token_of(request)
    query = dict(request.query_params)
    key = query.pop(KEY_PARAMETER, None) or request.headers.get(KEY_HEADER)
    return Visit(
        caller=caller_of(request),
        path=request.url.path,
        query=query,
        read_only=read_only,
        token=token or new_token(),
        fresh=token is None,
        key=key or None,
    )
