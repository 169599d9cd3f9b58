"""Ended runs of which something is left: whoever cleaned up after them, or deleted them, did not come to the end."""

from collections.abc import Callable, Generator, Iterator

from activities.clean_up import CleanUpActivities
from activities.run_deletion import RunDeletion
from activities.sweeping.rounds import Round
from dropscore.cloud.run_index import Entry
from dropscore.contracts.names import Lane
from dropscore.contracts.orchestration import CleanUp
from dropscore.contracts.sweep import SweepDeed

STEPS = 10
"""Most steps for one run in one sweep; the next one goes on."""
LATE_S = 300.0
"""For so long after a run's end its own orchestration may be cleaning up; it waits for messages that workers hold."""


def unfinished_clean_ups(round: Round, after: str) -> Iterator[str]:
    """Clean up after runs that have ended and are not noted as clean."""
    cleaning = CleanUpActivities(round.ports)

    def step(entry: Entry) -> bool:
        state = entry.state
        order = CleanUp(run_id=state.run_id, lane=state.lane or Lane.NORMAL, status=state.status)
        return cleaning.step(order).done

    for entry in _entries(round, after, lambda entry: entry.state.status.ended and not entry.cleaned):
        run_id, status = entry.state.run_id, entry.state.status
        with round.trying(f"clean up after {run_id}"):
            if _is_left_alone(round, entry) and round.is_over(run_id) and (yield from _in_steps(step, entry)):
                round.did(SweepDeed.RUN_CLEANED, run_id, f"What was left of a run that ended as {status} is gone.")
        yield run_id


def unfinished_deletions(round: Round, after: str) -> Iterator[str]:
    """Go on deleting runs whose deletion was begun."""
    deletion = RunDeletion(round.ports.cloud)

    def step(entry: Entry) -> bool:
        return deletion.step(entry.state.run_id)

    for entry in _entries(round, after, lambda entry: entry.deleted):
        run_id = entry.state.run_id
        with round.trying(f"delete the run {run_id}"):
            if (yield from _in_steps(step, entry)):
                round.did(SweepDeed.RUN_DELETED, run_id, "The deletion of a run was brought to its end.")
        yield run_id


def _entries(round: Round, after: str, wanted: Callable[[Entry], bool]) -> Iterator[Entry]:
    for run_id in sorted(name for name in round.entries if name > after):
        entry = round.entries[run_id]
        if wanted(entry) and round.is_quiet(entry):
            yield entry


def _is_left_alone(round: Round, entry: Entry) -> bool:
    """Whether nobody is cleaning up."""
    return round.time.since_s(entry.modified_at) >= LATE_S or round.starts.pulse(entry.state.run_id) is None


def _in_steps(step: Callable[[Entry], bool], entry: Entry) -> Generator[str, None, bool]:
    for _ in range(STEPS):
        if step(entry):
            return True
        yield ""
    return False
