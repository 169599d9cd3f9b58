"""The lives of a worker, as its keeper counts them: what each is given, and how it ended.

Only quick modules are imported: the keeper starts with every worker.
"""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gpu_worker.records import Records
from gpu_worker.will import Will

LEASE_S: Final = "lease_s"
"""Among the facts that a process notes of itself: the lease that its last run asked for."""


class Cause(StrEnum):
    """Why a life ended that should have gone on."""

    SIGNAL = "signal"
    """Killed, from outside or by what it did."""
    EXIT = "exit"
    """It left with an exit code of an error."""
    HUNG = "hung"
    """It ended itself, because an item took too long."""
    DEVICE_LOST = "device_lost"
    MEMORY = "memory"
    """The keeper ended it, because it used more memory than it may."""
    ABANDONED = "abandoned"
    """Its keeper was killed, and it with it: nobody knows more."""
    TOLD = "told"
    """The keeper ended it, because it did not leave in time when told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a life ended."""

    cause: Cause
    code: int
    """Exit code; 128 + n after signal n."""
    at: str
    """UTC text."""
    lived_s: float

    @property
    def signal(self) -> str | None:
        """Name of the signal that ended it, such as `SIGSEGV`."""
        if self.cause is not Cause.SIGNAL or self.code <= 128:
            return None
        try:
            return signal.Signals(self.code - 128).name
        except ValueError:
            return f"SIG{self.code - 128}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A life that ended, and what it left."""

    will: Will
    death: Death


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What a process of the worker is given."""

    number: int
    """From 1."""
    will: Will
    """Its own."""
    estate: tuple[Dead, ...] = ()
    """What was left before it and not seen to yet, oldest first."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """What the life before it said of itself (`Will.facts`); empty for the first."""
    records: Records = field(default_factory=Records)
    """What lives before it read and wrote that is never changed."""
    last: bool = False
    """Whether it is only to see to the estate: give everything back, and end."""


type Live = Callable[[Life], int]
"""Run a worker in this process; returns its exit code."""
