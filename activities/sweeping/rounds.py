"""What one sweep knows, and what it notes of its deeds."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from activities.ports import Ports
from activities.states import RunStates, read_record
from activities.sweeping.starting import Starts
from dropscore.cloud.run_index import Entry
from dropscore.cloud.service_time import ServiceTime
from dropscore.contracts.errors import DropscoreError, NotFoundError
from dropscore.contracts.sweep import MOST_ACTS, MOST_PROBLEMS, Standing, SweepAct, SweepDeed

_LOG = logging.getLogger(__name__)

GRACE_S = 30.0
"""A run that has changed within this time is in somebody's hands."""


@dataclass(slots=True, kw_only=True)
class Round:
    """One sweep. `entries` is the list of runs as it was at its beginning, `standing` what the last one has seen."""

    ports: Ports
    starts: Starts
    time: ServiceTime
    entries: Mapping[str, Entry]
    standing: dict[str, Standing]
    acts: list[SweepAct] = field(default_factory=list)
    acts_total: int = 0
    problems: list[str] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    _over: dict[str, bool] = field(default_factory=dict)

    def saw(self, what: str, count: int = 1) -> None:
        """Count things looked at."""
        self.looked_at[what] += count

    def did(self, deed: SweepDeed, target: str, detail: str, *, count: int = 1) -> None:
        """Note something done, and say it in the log."""
        _LOG.warning("The sweep: %s (%s)", detail, target, extra={"action": f"sweep_{deed}", "target": target})
        self.acts_total += 1
        if len(self.acts) < MOST_ACTS:
            at = self.ports.cloud.clock.now()
            self.acts.append(SweepAct(at=at, deed=deed, target=target, count=count, detail=detail))

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Go on with the next thing when this one fails; the next sweep tries again."""
        try:
            yield
        except (DropscoreError, TimeoutError) as error:
            _LOG.warning("The sweep could not %s: %s", what, error, extra={"action": "sweep_problem"})
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(f"Could not {what}: {error}")

    def is_quiet(self, entry: Entry) -> bool:
        """Whether nothing has changed about a run for `GRACE_S`."""
        return self.time.since_s(entry.modified_at) >= GRACE_S

    def is_over(self, run_id: str) -> bool:
        """Whether a run has ended for more than a moment, was deleted or never was. The run itself is read."""
        if run_id not in self._over:
            self._over[run_id] = self._read_over(run_id)
        return self._over[run_id]

    def _read_over(self, run_id: str) -> bool:
        entry = self.entries.get(run_id)
        if entry is not None and (not (entry.state.status.ended or entry.deleted) or not self.is_quiet(entry)):
            return False
        cloud = self.ports.cloud
        try:
            if read_record(cloud.blobs, run_id).deleted_at is not None:
                return True
            return entry is not None and RunStates(cloud).read(run_id).status.ended
        except NotFoundError:
            return True


type Chore = Callable[[Round, str], Iterator[str]]
"""One kind of thing to look for: from the round and the name to go on after (empty: from the beginning) to the names
done with, one by one, so that the sweep may stop after each. An empty name only gives it the chance to.
"""
