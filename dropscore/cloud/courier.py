"""The port by which letters leave for addresses that users named, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

WITHIN_S = 10.0
"""Longest time for one letter, from looking its address up to the answer."""
MOST_ANSWER_BYTES = 64 * 1024
"""Most bytes of an answer that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One POST. `url` holds what only its receiver may know: it goes into no log."""

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a letter: the status answered, or in one sentence why there is no answer."""

    status: int | None = None
    problem: str = ""

    @property
    def taken(self) -> bool:
        """Whether the receiver said that it has it."""
        return self.status is not None and 200 <= self.status <= 299

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no further letter."""
        return self.status == 410

    def __str__(self) -> str:
        return self.problem if self.status is None else f"the receiver answered {self.status}"


class Courier(Protocol):
    """Takes letters to where they may go: public addresses, encrypted, unless the deployment allows others by name."""

    async def check(self, url: str) -> None:
        """Raise `FailedError` (E-WEBHOOK-TARGET) for an address that no letter may go to, or that leads nowhere."""

    async def post(self, letter: Letter) -> Reply:
        """Take a letter there, within `WITHIN_S`. Follows no redirect. Raises nothing: an address that is not allowed
        any more is a reply without status.
        """
