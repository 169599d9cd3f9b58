"""What a user may do to a run besides starting and cancelling it. Each may be asked for twice, and at any moment.

    suspend   a mark: no shard is leased and no container started for the run any more; what is under way is finished
    resume    the mark goes, and the time it was there is taken off what counts towards the deadline
    rewind    a run that failed walks its way once more, and keeps the verdicts it has
    delete    see `run_deletion`

Who may call what and when is decided by the API; here it is done.
"""

from activities.run_deletion import RunDeletion
from activities.states import RunStates, read_record
from dropscore.cloud.clock import utc_text
from dropscore.cloud.ports import Cloud
from dropscore.cloud.run_index import RunIndex
from dropscore.cloud.service_time import service_time
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Role
from dropscore.contracts.run import RunState, RunStatus, StageTime, SuspendMark

SUSPENDED = "Suspended. Go on with: dropscore resume"


class RunControl:
    """Suspends, resumes, rewinds and deletes runs."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._states = RunStates(cloud)
        self._index = RunIndex(cloud.blobs)
        self._deletion = RunDeletion(cloud)

    def suspend(self, run_id: str, reason: str) -> RunState:
        """Begin nothing new for a run. One that has ended stays as it is."""
        path = layout.suspend_mark(run_id)
        mark = SuspendMark(run_id=run_id, at=self._clock.now(), reason=reason)
        self._blobs.create(path, encode_bytes(mark))
        since = utc_text(service_time(self._blobs, self._clock, path).at)

        def suspended(state: RunState) -> RunState:
            if state.suspended_at is not None:
                return state
            return state.model_copy(update={"suspended_at": since, "detail": f"{SUSPENDED} {run_id}"})

        return self._states.change(run_id, suspended)

    def resume(self, run_id: str) -> RunState:
        """Let a suspended run go on. The mark goes first: a state that is behind only shows what is no more."""
        self._blobs.delete(layout.suspend_mark(run_id))
        now = service_time(self._blobs, self._clock)

        def resumed(state: RunState) -> RunState:
            if state.suspended_at is None:
                return state
            suspended_s = state.suspended_s + max(0.0, now.since_s(state.suspended_at))
            return state.model_copy(update={"suspended_at": None, "suspended_s": suspended_s, "detail": ""})

        return self._states.change(run_id, resumed)

    def is_cleaned(self, run_id: str) -> bool:
        """Whether nothing is left to clean up after a run that has ended."""
        return self._index.is_cleaned(run_id)

    def rewind(self, run_id: str) -> RunState:
        """Let a failed run begin again, in its state and in storage; then its orchestration may be started.

        What tells of the failure goes first: workers would drop the run's shards, and containers would not be tried.
        """
        for path in _marks_of_failure(run_id):
            self._blobs.delete(path)
        since = utc_text(service_time(self._blobs, self._clock).at)
        return self._states.rewind(run_id, lambda state: self._rewound(state, since))

    def replay_under_way(self, run_id: str) -> str | None:
        """The id of a run that is scoring again what failed in this one, and so needs its plan and parts."""
        for entry in self._index.entries():
            replays = entry.state.source.kind == "replay" and not entry.state.status.ended
            if replays and read_record(self._blobs, entry.state.run_id).source.replay_of == run_id:
                return entry.state.run_id
        return None

    def delete(self, run_id: str) -> bool:
        """Delete an ended run, as much as there is time for; False when the sweep has to do the rest."""
        return self._deletion.step(run_id)

    def _rewound(self, state: RunState, since: str) -> RunState:
        stages = (*state.stages, StageTime(status=RunStatus.PENDING, at=self._clock.now()))
        facts: dict[str, object] = {
            "status": RunStatus.PENDING,
            "stages": stages,
            "failure": None,
            "detail": "",
            "workers": 0,
            "began_at": since,
            "suspended_at": None,
            "suspended_s": 0.0,
            "rewinds": state.rewinds + 1,
        }
        return state.model_copy(update=facts)


def _marks_of_failure(run_id: str) -> tuple[BlobPath, ...]:
    return (
        layout.cancel_mark(run_id),
        layout.suspend_mark(run_id),
        *(layout.stage_failure(run_id, role) for role in Role),
        layout.stitch_result(run_id),
        layout.report_json(run_id),
        layout.report_html(run_id),
        layout.receipt(run_id),
    )
