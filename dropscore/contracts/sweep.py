"""What the sweep has found and mended, and what it remembers from one time to the next."""

from enum import StrEnum

from dropscore.contracts.base import Contract, Count, Seconds, Stored

MOST_ACTS = 200
"""Acts that one report lists; the rest is counted."""
MOST_EARLIER = 50
"""Acts of earlier sweeps that a report still shows."""
MOST_PROBLEMS = 20


class SweepDeed(StrEnum):
    """What the sweep does."""

    TRIGGER_STARTED = "trigger_started"
    """A trigger file of which nobody knew has its run now."""
    RUN_STARTED_AGAIN = "run_started_again"
    """A run whose orchestration was gone has one again."""
    RUN_UNSTUCK = "run_unstuck"
    """An orchestration that stood still was ended; the next sweep starts the run again."""
    RUN_PAST_DEADLINE = "run_past_deadline"
    RUN_CLEANED = "run_cleaned"
    """What was left of an ended run is gone: messages, groups, parts, outputs that were never published."""
    RUN_DELETED = "run_deleted"
    """The deletion of a run, begun by somebody else, is done."""
    GROUP_DELETED = "group_deleted"
    WORKERS_ENDED = "workers_ended"
    MESSAGES_REMOVED = "messages_removed"
    """Messages of runs that have ended or do not exist."""
    MESSAGES_PUT_ASIDE = "messages_put_aside"
    """Messages that nobody can read are on their poison queue."""


class SweepAct(Contract):
    """One thing done. `target` is the run, trigger, group or queue it was done to."""

    at: str
    deed: SweepDeed
    target: str
    count: Count = 1
    detail: str = ""
    """In one sentence."""


class SweepPlace(Contract):
    """Where a sweep stands: a chore, and the last name it is done with there."""

    chore: str = ""
    after: str = ""


class Standing(Contract):
    """A run whose orchestration showed the same pulse since a moment of storage's time."""

    run_id: str
    pulse: str
    since: str


class SweepState(Stored):
    """`_sweep/state.json`: who sweeps now, and what the next one needs to know.

    The holder writes it every few seconds; that its `modified_at` is old tells everybody else that the holder is gone.
    """

    holder: str
    """Unique for each sweep; empty when nobody sweeps."""
    host: str = ""
    place: SweepPlace = SweepPlace()
    standing: tuple[Standing, ...] = ()
    turn: Count = 0
    """Grows with each write, so that no two are the same bytes."""


class SweepReport(Stored):
    """`_sweep/latest.json`: the last sweep."""

    started_at: str
    duration_s: Seconds
    host: str
    complete: bool
    """Whether everything was looked at; otherwise the next one goes on where this one stopped."""
    looked_at: dict[str, int] = {}
    """How many of each kind of thing."""
    acts: tuple[SweepAct, ...] = ()
    acts_total: Count = 0
    earlier: tuple[SweepAct, ...] = ()
    """The last acts of sweeps before, newest first."""
    problems: tuple[str, ...] = ()
    """What could not be looked at or mended this time, one sentence each."""
