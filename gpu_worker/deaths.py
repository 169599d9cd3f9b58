"""What the death of a worker's process says about the shards that were under way in it. Pure.

One death alone says little: every shard under way is recorded with the items at work, and runs again, whole and with
no other beside it, so that a neighbour clears itself; the items that were at work run with none beside them. Only a
shard or piece that ended its worker a second time is divided, and only a single item that did so `RunPolicy.deaths`
times, those of what it was cut from included, is put into quarantine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.plan import Piece
from dropscore.contracts.quarantine import Attempt
from gpu_worker.lives import Cause, Death
from gpu_worker.will import LeftLease, LeftWork, State

LOADING = "loading the model"
"""What a stage is doing that gets a model ready. A death in the middle of it is not about items."""
CODES = {Cause.HUNG: Code.ITEM_DEADLINE, Cause.MEMORY: Code.OUT_OF_MEMORY}
"""Causes with a code of their own; the others are E-SHARD-POISON."""
MOST_APART = 32
"""Items of a shard that are scored with no other beside them."""
BY_HAND = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"})
"""Signals that also come from outside, and then say nothing of what was under way."""
UNSUSPICIOUS = frozenset({Cause.TOLD, Cause.DEVICE_LOST, Cause.ABANDONED})
"""Causes that say nothing against what was under way. Whatever ends keeper and worker every time is found by its
delivery count.
"""
WHY = {
    Cause.HUNG: "it took longer than the run allows for an item",
    Cause.MEMORY: "its worker's process used more memory than it may",
}


# --- when a process has died


def suspected(left: LeftLease, death: Death) -> tuple[LeftWork, ...] | None:
    """What of a shard may have ended the process; none of it when that is not known, None when it surely did not."""
    if left.state is not State.STARTED or death.cause in UNSUSPICIOUS:
        return None
    if death.cause is Cause.HUNG:
        return tuple(work for work in left.work if work.late) or None
    return left.work


def items_of(works: Iterable[LeftWork]) -> frozenset[int]:
    """The items at work; none when it is not known which, or when it was not about items."""
    return frozenset(item for work in works if work.what != LOADING for item in work.items)


def obituary(death: Death, works: Sequence[LeftWork]) -> Failure:
    """The death as a failure of the shard."""
    why = WHY.get(death.cause) or f"its worker's process ended ({death.signal or f'exit code {death.code}'})"
    doing = ", ".join(dict.fromkeys(_told(work) for work in works))
    return failure(CODES.get(death.cause, Code.SHARD_POISON), f"{why}{f' while {doing}' if doing else ''}")


# --- when the shard is delivered again


@dataclass(frozen=True, slots=True, kw_only=True)
class Guilt:
    """A shard or piece that is to be given up. `suspects` are the items to be looked at first; None when it is not
    about items, so that dividing would not help.
    """

    failure: Failure
    suspects: tuple[int, ...] | None


def guilt(asked: Piece, attempts: Sequence[Attempt], *, deaths: int) -> Guilt | None:
    """What the attempts that concern these items (oldest first) come to; None when they are to be tried (again)."""
    died = [one for one in attempts if one.death]
    own = [one for one in died if one.range == asked]
    if not (_is_divided(died, own, deaths) if asked.items > 1 else _is_shelved(died, own, deaths)):
        return None
    last = own[-1].failure
    code = last.code if last.code is Code.ITEM_DEADLINE else Code.SHARD_POISON
    what = f"item {asked.first_item}" if asked.items == 1 else "the shard"
    times = f"{len(died)} times" if len(died) > 1 else "once"
    told = failure(code, f"{what} ended its worker {times}, the last time: {last.message}")
    if LOADING in (own[-1].stage or "") and not own[-1].at_work:
        return Guilt(failure=told, suspects=None)
    return Guilt(failure=told, suspects=_common(asked, own) or _common(asked, own[-1:]))


def _is_divided(died: Sequence[Attempt], own: Sequence[Attempt], deaths: int) -> bool:
    return len(own) >= 2 or (len(own) == 1 and len(died) >= max(2, deaths))


def _is_shelved(died: Sequence[Attempt], own: Sequence[Attempt], deaths: int) -> bool:
    """What it was cut from may have died of a neighbour, and it by somebody's hand: that alone is not enough, but it is
    if the item was the only one at work once more.
    """
    if not own or len(died) < deaths:
        return False
    alone = sum(one in own or len(one.at_work) == 1 for one in died)
    return alone > 1 or len(died) == 1 or own[0].signal not in BY_HAND


def needs_solitude(attempts: Iterable[Attempt]) -> bool:
    """Whether a shard with these attempts is to be scored alone, so that no other is suspected with it."""
    return any(one.death and one.failure.code is not Code.ITEM_DEADLINE for one in attempts)


def apart(asked: Piece, attempts: Iterable[Attempt]) -> frozenset[int]:
    """The items that are to be at work with no other of their shard: a death then tells which of them it was. None of
    many, which would take too long for what may have been somebody's hand.
    """
    suspects = frozenset(item for one in attempts if one.death for item in one.at_work if item in asked)
    return suspects if len(suspects) <= MOST_APART else frozenset()


def _common(asked: Piece, died: Sequence[Attempt]) -> tuple[int, ...]:
    """The items that were at work each time, as far as it is known."""
    known = [frozenset(item for item in one.at_work if item in asked) for one in died if one.at_work]
    return tuple(sorted(known[0].intersection(*known))) if known else ()


def _told(work: LeftWork) -> str:
    """Such as `predicting items 3 to 6`; batches are numbered in the name, which tells nobody anything."""
    name = work.what.rstrip("0123456789 ")
    if work.what == LOADING or not work.items:
        return name
    first, last = work.items[0], work.items[-1]
    return f"{name} item {first}" if first == last else f"{name} items {first} to {last}"
