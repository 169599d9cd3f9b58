"""What the sweep asks of the durable side and of the starter, both of which live in an event loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from dropscore.cloud.ports import Orchestrations

LONGEST_S = 30.0
"""An answer is waited for this long."""


class MissedTriggers(Protocol):
    """Starts runs of trigger files whose event did not come."""

    async def start_missed(self, name: str, orchestrations: Orchestrations) -> str | None:
        """Start the run of a trigger file as its event would, and return its id; None when there is none to start."""


class Starts:
    """Calls into the loop from the thread of a sweep, and waits for the answers."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, orchestrations: Orchestrations, triggers: MissedTriggers
    ) -> None:
        self._loop = loop
        self._orchestrations = orchestrations
        self._triggers = triggers

    def missed(self, name: str) -> str | None:
        """Start the run of a trigger file; None when there was nothing to start."""
        return self._wait(self._triggers.start_missed(name, self._orchestrations))

    def again(self, run_id: str) -> bool:
        """Start a run's orchestration again; False when one is under way."""
        return self._wait(self._orchestrations.start_again(run_id))

    def pulse(self, run_id: str) -> str | None:
        """See `Orchestrations.pulse`."""
        return self._wait(self._orchestrations.pulse(run_id))

    def end(self, run_id: str) -> None:
        """End an orchestration and its stages."""
        self._wait(self._orchestrations.end(run_id))

    def nudge(self, run_id: str) -> None:
        """Have a run looked at again."""
        self._wait(self._orchestrations.nudge(run_id))

    def _wait[R](self, asked: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(LONGEST_S)
