"""Pages of lists that do not change: where one begins, how long it is, where the next begins."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from dropscore.api.operations import Parameter, query
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

MOST = 1000
_LONGEST = 9
"""Digits of a place in a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a list is wanted: `limit` entries from the 0-based `start` on."""

    start: int
    limit: int

    def of[T](self, every: Sequence[T]) -> Sequence[T]:
        """The entries that are wanted."""
        return every[self.start : self.start + self.limit]

    def next(self, total: int) -> str | None:
        """Where the next part begins in a list of `total` entries; None when there is none."""
        end = self.start + self.limit
        return str(end) if end < total else None


def part_parameters(what: str) -> tuple[Parameter, Parameter]:
    """The query that asks for a part of a list of `what`."""
    return (
        query("limit", f"Most {what} on the page.", type="integer", minimum=1, maximum=MOST, default=MOST),
        query("after", "Where the page before ended (its `next`).", type="string", pattern=f"^[0-9]{{1,{_LONGEST}}}$"),
    )


def read_part(request: Request) -> Part:
    """Read that query. Raises `FailedError` (E-REQUEST-FIELD) that names the parameter."""
    limit = _number(request, "limit", MOST)
    if not 1 <= limit <= MOST:
        raise FailedError.of(Code.REQUEST_FIELD, f"limit: {limit} is not 1 to {MOST}.", field="limit")
    return Part(start=_number(request, "after", 0), limit=limit)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > _LONGEST:
        action = "Use the 'next' of the page before." if name == "after" else f"Use a whole number from 1 to {MOST}."
        raise FailedError.of(Code.REQUEST_FIELD, f"{name}: {text[:20]!r} is none.", field=name, action=action)
    return int(text)
