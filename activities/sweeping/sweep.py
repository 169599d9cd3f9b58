"""One sweep: takes the lease, walks through its chores, writes down what it did.

It stops after `LONGEST_S` at the latest, keeps its place, and the next one goes on there. The chores before that place
are walked through again, since a trigger file must not wait for anything else.
"""

import platform
from collections.abc import Iterator, Mapping

from activities.idle_workers import IdleWorkers
from activities.ports import Ports
from activities.sweeping.groups import orphaned_groups
from activities.sweeping.lease import SweepLease
from activities.sweeping.leavings import unfinished_clean_ups, unfinished_deletions
from activities.sweeping.lost_runs import lost_runs
from activities.sweeping.rounds import Chore, Round
from activities.sweeping.signs import old_signs
from activities.sweeping.starting import Starts
from activities.sweeping.strays import stray_messages
from activities.sweeping.triggers import missed_triggers
from dropscore.cloud.run_index import RunIndex
from dropscore.cloud.service_time import ServiceTime
from dropscore.cloud.sweep_log import last_sweep
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.sweep import MOST_EARLIER, SweepDeed, SweepPlace, SweepReport

LONGEST_S = 20.0
"""Time one sweep may take."""


def idle_workers(round: Round, _after: str) -> Iterator[str]:
    """End workers that are there for nobody."""
    with round.trying("look after the workers"):
        ended = IdleWorkers(round.ports).let_go()
        if ended:
            round.did(SweepDeed.WORKERS_ENDED, "pool", f"No run is under way: {ended} workers were ended.", count=ended)
    yield ""


CHORES: Mapping[str, Chore] = {
    "triggers": missed_triggers,
    "runs": lost_runs,
    "clean-ups": unfinished_clean_ups,
    "deletions": unfinished_deletions,
    "groups": orphaned_groups,
    "messages": stray_messages,
    "workers": idle_workers,
    "signs": old_signs,
}
"""In the order in which they are done."""


class Sweep:
    """Sweeps, one at a time over all hosts."""

    def __init__(self, ports: Ports, *, host: str | None = None) -> None:
        self._ports = ports
        self._host = host or platform.node()

    def sweep(self, starts: Starts) -> SweepReport | None:
        """Sweep once, and return what was done; None when another host is at it. Raises what storage does when it
        does not answer at all.
        """
        cloud = self._ports.cloud
        began, started_at = cloud.clock.monotonic(), cloud.clock.now()
        lease = SweepLease(cloud.blobs, cloud.clock, host=self._host)
        time = lease.take()
        if time is None:
            return None
        current = self._round(starts, time, lease)
        place = self._walk(current, lease, until=began + LONGEST_S)
        report = self._report(current, started_at, cloud.clock.monotonic() - began, complete=place == SweepPlace())
        cloud.blobs.put(layout.sweep_report(), encode_bytes(report), content_type="application/json")
        lease.give_back(place=place, standing=tuple(current.standing.values()))
        return report

    def _round(self, starts: Starts, time: ServiceTime, lease: SweepLease) -> Round:
        entries = {entry.state.run_id: entry for entry in RunIndex(self._ports.cloud.blobs).entries()}
        standing = {one.run_id: one for one in lease.state.standing if one.run_id in entries}
        return Round(ports=self._ports, starts=starts, time=time, entries=entries, standing=standing)

    def _walk(self, round: Round, lease: SweepLease, *, until: float) -> SweepPlace:
        """Do the chores; returns where it stopped, nowhere when all was looked at."""
        resumed = lease.state.place
        clock = self._ports.cloud.clock
        for name, chore in CHORES.items():
            after = resumed.after if name == resumed.chore else ""
            with round.trying(f"go through the {name}"):
                for done in chore(round, after):
                    after = done or after
                    if clock.monotonic() >= until:
                        return SweepPlace(chore=name, after=after)
                    if lease.due and not lease.keep(place=SweepPlace(chore=name, after=after)):
                        round.problems.append("Another host has taken over.")
                        return SweepPlace(chore=name, after=after)
        return SweepPlace()

    def _report(self, round: Round, started_at: str, duration_s: float, *, complete: bool) -> SweepReport:
        before = last_sweep(self._ports.cloud.blobs)
        earlier = () if before is None else (*reversed(before.acts), *before.earlier)
        return SweepReport(
            started_at=started_at,
            duration_s=duration_s,
            host=self._host,
            complete=complete,
            looked_at=dict(round.looked_at),
            acts=tuple(round.acts),
            acts_total=round.acts_total,
            earlier=earlier[:MOST_EARLIER],
            problems=tuple(round.problems),
        )
