"""Waiting for a nudge or a timer, whichever comes first."""

from datetime import timedelta
from typing import Any

from durabletask.task import CancellableTask, OrchestrationContext, Task, TimerTask, when_any

from dropscore.contracts.names import EventName
from dropscore.contracts.request import RunPolicy
from orchestrations.calls import Story

PAUSED_POLLS = 5
"""While a run is suspended it is looked at this many times less often than at the slowest otherwise."""


class Waiter:
    """The waits of one generation of an orchestration.

    At most one timer and one wait for an event are open at any time: a wait that a nudge ended leaves its timer to
    the next one. A timer must not outlive its generation, because the in-memory backend delivers it to the next
    one, where its number may belong to another task; see `timer_open`.
    """

    __slots__ = ("_ctx", "_nudge", "_timer", "nudges")

    def __init__(self, ctx: OrchestrationContext) -> None:
        self.nudges = 0
        """Nudges of this generation so far."""
        self._ctx = ctx
        self._nudge: CancellableTask[Any] | None = None
        self._timer: TimerTask | None = None

    @property
    def timer_open(self) -> bool:
        """Whether a timer has not fired yet: no moment to continue as new."""
        return self._timer is not None

    def wait(self, seconds: float, *others: Task[Any] | None, heed_nudges: bool = True) -> Story[bool]:
        """Wait for a nudge (if heeded), for `seconds` (or what is left of the open timer), or for one of `others`.

        Returns whether a nudge came. Further nudges that came meanwhile are used up by this wait: one look at the
        truth answers them all.
        """
        if self._timer is None:
            self._timer = self._ctx.create_timer(timedelta(seconds=seconds))
        if self._nudge is None:
            self._nudge = self._ctx.wait_for_external_event(EventName.NUDGE)
        heeded = (self._nudge,) if heed_nudges else ()
        yield when_any([self._timer, *heeded, *(task for task in others if task is not None)])
        if self._timer.is_complete:
            self._timer = None
        return self._use_up_nudges()

    def settle(self) -> Story[None]:
        """Wait until the open timer has fired, nudges or not."""
        if self._timer is not None:
            yield self._timer
            self._timer = None

    def _use_up_nudges(self) -> bool:
        before = self.nudges
        while self._nudge is not None and self._nudge.is_complete:
            self.nudges += 1
            self._nudge = self._ctx.wait_for_external_event(EventName.NUDGE)
        return self.nudges > before


def generation_length(rounds: int, nudges: int, policy: RunPolicy) -> float:
    """How long the history of a generation has become, as a share of what it may be: a round of looking and waiting
    puts eight events into it, a nudge three. From 1 on it is time to continue as new, and at 1.5 at the latest.
    """
    return (8 * rounds + 3 * nudges) / (8 * policy.rounds_per_generation)


def longer(wait_s: float, policy: RunPolicy) -> float:
    """The polling interval after one in which nothing changed, in seconds."""
    return min(max(wait_s, policy.poll_first_s) * policy.poll_growth, policy.poll_most_s)


def paused_wait_s(policy: RunPolicy) -> float:
    """The wait between two looks at a run that is suspended, in seconds. A nudge ends it."""
    return PAUSED_POLLS * policy.poll_most_s
