"""What a shard's failure means for it. Pure but for the jitter."""

import random
from enum import StrEnum

from dropscore.contracts.failures import Code, Failure, FailureClass

BACKOFF_S = 1.0
"""First wait before a shard comes back that storage had no answer for."""
BACKOFF_MOST_S = 60.0
JITTER = 0.25
"""Largest share that is taken off a wait, so that what failed together does not come back together."""
COUNTED = frozenset({FailureClass.BAD_INPUT, FailureClass.OUT_OF_MEMORY, FailureClass.BUG})
"""Classes whose failures say something about the items. The others are nobody's fault here."""


class Next(StrEnum):
    """What to do about a failure."""

    GIVE_UP = "give_up"
    """It failed for good: divide it, or put it into quarantine."""
    RETRY = "retry"
    """Give it back, to be tried again after a pause."""
    REQUEUE = "requeue"
    """Send it anew, so that this try does not count: the shard did nothing wrong."""
    POISON = "poison"
    """It is no shard of ours."""
    DROP = "drop"
    """Nobody wants it any more."""
    LEAVE = "leave"
    """Give it back at once; this worker must go."""


BY_CODE = {
    Code.MESSAGE_MALFORMED: Next.POISON,
    Code.SHARD_POISON: Next.GIVE_UP,
    Code.ITEM_DEADLINE: Next.GIVE_UP,
}
"""What follows from the code alone, whatever its class."""


def next_step(failure: Failure, *, tries: int, attempts: int) -> Next:
    """What a failure means for the shard, whose items were tried `tries` times of `attempts`, this one included."""
    if failure.code in BY_CODE:
        return BY_CODE[failure.code]
    match failure.failure_class:
        case FailureClass.CANCELLED:
            return Next.DROP
        case FailureClass.BAD_INPUT:
            return Next.GIVE_UP
        case FailureClass.TRANSIENT:
            return Next.REQUEUE
        case FailureClass.DEVICE_LOST:
            return Next.LEAVE
        case FailureClass.OUT_OF_MEMORY | FailureClass.BUG:
            return Next.GIVE_UP if tries >= attempts else Next.RETRY


def backoff_s(first_s: float, earlier: int) -> float:
    """The wait before a shard is tried again that was tried `earlier` times before: doubled each time, jittered."""
    return min(BACKOFF_MOST_S, first_s * 2.0 ** min(earlier, 10)) * (1 - JITTER * random.random())
