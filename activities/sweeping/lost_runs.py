"""Runs under way with nobody to carry them on: no orchestration, one that stands still, or one past its deadline."""

from collections.abc import Iterator
from datetime import datetime

from activities.states import RunStates
from activities.sweeping.rounds import Round
from dropscore.cloud.run_index import Entry
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.request import AdmittedRun, RunPolicy
from dropscore.contracts.run import CancelMark, RunState
from dropscore.contracts.sweep import Standing, SweepDeed

QUIET_S = 15.0
"""A run whose state has changed within this time has somebody to carry it on."""
STILL_S = 60.0
"""An orchestration that does nothing at all for so long stands still. It looks at its run every second or so."""
STILL_POLLS = 10
"""Where a run's policy has it looked at more seldom: so many of the longest waits."""
SKEW_S = 600.0
"""The clock of the host that wrote down a run's beginning may be wrong by this; then storage's time is asked."""


def lost_runs(round: Round, after: str) -> Iterator[str]:
    """Look at each run that has not ended."""
    entries = round.entries
    for run_id in sorted(name for name in entries if name > after):
        entry = entries[run_id]
        if entry.state.status.ended or entry.deleted:
            round.standing.pop(run_id, None)
            continue
        round.saw("runs")
        with round.trying(f"look after the run {run_id}"):
            _look(round, entry)
        yield run_id


def _look(round: Round, entry: Entry) -> None:
    run_id = entry.state.run_id
    if _may_be_past_deadline(round, entry):
        _end_if_past_deadline(round, run_id)
    if round.time.since_s(entry.modified_at) < QUIET_S:
        round.standing.pop(run_id, None)
        return
    pulse = round.starts.pulse(run_id)
    if pulse is None:
        _start_again(round, run_id)
    else:
        _watch(round, run_id, pulse)


def _start_again(round: Round, run_id: str) -> None:
    round.standing.pop(run_id, None)
    try:
        state = RunStates(round.ports.cloud).read(run_id)
    except NotFoundError:
        return
    if not state.status.ended and round.starts.again(run_id):
        round.did(SweepDeed.RUN_STARTED_AGAIN, run_id, f"A run in {state.status} had no orchestration; it goes on.")


def _watch(round: Round, run_id: str, pulse: str) -> None:
    """End an orchestration that has not moved for long; it is started again the next time."""
    before = round.standing.get(run_id)
    if before is None or before.pulse != pulse:
        since = round.time.now().isoformat()
        round.standing[run_id] = Standing(run_id=run_id, pulse=pulse, since=since)
        return
    still_s = round.time.since_s(before.since)
    if still_s >= STILL_S and still_s >= STILL_POLLS * _policy(round, run_id).poll_most_s:
        round.starts.end(run_id)
        round.standing.pop(run_id, None)
        round.did(SweepDeed.RUN_UNSTUCK, run_id, f"Its orchestration stood still for {still_s:.0f} s and was ended.")


def _may_be_past_deadline(round: Round, entry: Entry) -> bool:
    """Whether a run is worth a closer look, by what the list of runs tells."""
    if entry.state.deadline_s is None or entry.state.suspended_at is not None:
        return False
    created = datetime.fromisoformat(entry.state.created_at)
    return (round.time.now() - created).total_seconds() + SKEW_S >= entry.state.deadline_s


def _end_if_past_deadline(round: Round, run_id: str) -> None:
    cloud = round.ports.cloud
    state = RunStates(cloud).read(run_id)
    deadline_s = state.deadline_s
    if state.status.ended or deadline_s is None or _age_s(round, state) < deadline_s:
        return
    why = failure(Code.RUN_DEADLINE, f"The run was not done after {deadline_s:g} s.")
    mark = CancelMark(run_id=run_id, at=cloud.clock.now(), reason="The run is past its deadline.", failure=why)
    first = cloud.blobs.create(layout.cancel_mark(run_id), encode_bytes(mark))
    round.starts.again(run_id)
    round.starts.nudge(run_id)
    if first:
        round.did(SweepDeed.RUN_PAST_DEADLINE, run_id, f"A run was not done after {deadline_s:g} s and is being ended.")


def _age_s(round: Round, state: RunState) -> float:
    """Seconds that count towards the deadline: in storage's time, without those in which the run was suspended."""
    if state.suspended_at is not None:
        return 0.0
    began_at = state.began_at
    if began_at is None:
        request = round.ports.cloud.blobs.head(layout.request(state.run_id))
        began_at = None if request is None else request.modified_at
    return 0.0 if began_at is None else round.time.since_s(began_at) - state.suspended_s


def _policy(round: Round, run_id: str) -> RunPolicy:
    try:
        return decode(AdmittedRun, round.ports.cloud.blobs.get(layout.admission(run_id)).data).policy
    except NotFoundError:
        return RunPolicy()
