"""A verdict at a glance: what stands in its blob's metadata, so that one listing tells of every shard of a run."""

from collections.abc import Mapping
from dataclasses import dataclass

from dropscore.contracts.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a shard's verdict comes to."""

    outcome: Outcome
    items_done: int
    items_failed: int
    attempt: int
    """Delivery count of the message that was worked on; more than 1 means a retry."""
    duration_s: float
    """Seconds in which a worker scored it for this run; 0 where another run paid for it."""
    at: str
    """When it was settled, UTC ISO 8601."""
    kept: bool = False
    """Whether it is another run's result."""


def glance_metadata(verdict: Verdict, at: str) -> dict[str, str]:
    """The metadata of a verdict that is written at `at`."""
    paid_here = verdict.scored_for is None
    return {
        "outcome": verdict.outcome.value,
        "items_done": str(verdict.items_done),
        "items_failed": str(verdict.items_failed),
        "attempt": str(verdict.attempt),
        "duration_s": f"{verdict.duration_s:.3f}" if paid_here else "0",
        "at": at,
    } | ({} if paid_here else {"kept": "yes"})


def glance_of(metadata: Mapping[str, str]) -> Glance | None:
    """What a verdict's metadata say; None where they do not say it all, and the verdict itself is to be read."""
    try:
        return Glance(
            outcome=Outcome(metadata["outcome"]),
            items_done=int(metadata["items_done"]),
            items_failed=int(metadata["items_failed"]),
            attempt=int(metadata["attempt"]),
            duration_s=float(metadata["duration_s"]),
            at=metadata["at"],
            kept="kept" in metadata,
        )
    except (KeyError, ValueError):
        return None


def glance_at(verdict: Verdict, at: str) -> Glance:
    """The same of a verdict that was read. `at` is when its blob was written."""
    paid_here = verdict.scored_for is None
    return Glance(
        outcome=verdict.outcome,
        items_done=verdict.items_done,
        items_failed=verdict.items_failed,
        attempt=verdict.attempt,
        duration_s=verdict.duration_s if paid_here else 0.0,
        at=at,
        kept=not paid_here,
    )
