"""How long a request is repeated while a service does not answer, and how often.

Three layers repeat, and each for its own reason:

    an adapter   repeats one request, for as long as its `Patience` says (`ask_again`)
    a loop       of the worker, or of an orchestrator's steps, tries again what an adapter gave up
    a process    that storage keeps away from its work ends, and is started again by who wants its product

`BRIEF` is for who must answer soon, or has a loop of its own: the Function app, whose activities take two seconds, and
the worker, whose leases run out. A container has nothing else to do than its one task, so its adapters are patient
themselves (`WorkerSettings.storage_patience_s`). The orchestrators' steps are tried for `RunPolicy.patience_s`. Both
have the default `contracts.request.PATIENCE_S`.
"""

import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dropscore.contracts.errors import TransientCloudError


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Pauses double from `first_s` up to `most_s`, each shortened by chance by up to a half; together, and with the
    tries between them, they take `within_s` at most. A request is repeated at least once.
    """

    within_s: float
    first_s: float = 0.1
    most_s: float = 1.0

    def pause_s(self, repetition: int, draw: Callable[[], float] = random.random) -> float:
        """The pause before a repetition, counted from 0."""
        longest = min(self.most_s, self.first_s * 2.0 ** min(repetition, 60))
        return longest * (1 - draw() / 2)


BRIEF = Patience(within_s=2.0)


def lasting(within_s: float) -> Patience:
    """The patience of who has nothing else to do."""
    return Patience(within_s=within_s, most_s=10.0)


async def patiently[R](
    action: Callable[[], Awaitable[R]],
    patience: Patience,
    *,
    clock: Callable[[], float],
    pause: Callable[[float], Awaitable[None]],
) -> R:
    """Do something again and again while it raises `TransientCloudError`, as long as there is patience. `clock` gives
    monotonic seconds, `pause` waits.
    """
    began = clock()
    for repetition in itertools.count():
        try:
            return await action()
        except TransientCloudError as error:
            pause_s = max(patience.pause_s(repetition), error.retry_after_s or 0.0)
            if clock() - began + pause_s > patience.within_s:
                raise
        await pause(pause_s)
    raise AssertionError("unreachable")
