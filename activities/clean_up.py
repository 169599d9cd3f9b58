"""Removes what is left of a run, one bounded step at a time, until nothing costs or lies about.

    container groups    all that carry the run's name, their output kept
    messages            of a run that did not succeed: taken off its lane, those of other runs left as they are
    workers             that wait for a node when no lane holds a message; after a cancellation those that run, too,
                        because they serve nobody. Those that stay warm leave by themselves; a message that is seen
                        when they should have left has it looked after
    outputs             of a run that did not succeed: never published, so deleted
    parts               of a run that succeeded whole or was cancelled; otherwise they are kept for another try

Verdicts, the report, the receipt and the logs stay. That all is done is noted in the list of runs: the sweep carries
on with runs that have ended and are not noted.
"""

from datetime import datetime

from activities.containers import container_log, save_and_delete
from activities.deletion import delete_below
from activities.lane_drain import LaneDrain
from activities.ports import Ports
from activities.states import RunStates
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.identity import container_group_name
from dropscore.contracts.names import LANE_QUEUES, QueueName, Role
from dropscore.contracts.orchestration import CleanedUp, CleanUp, ContainerRef
from dropscore.contracts.plan import RunEvent
from dropscore.contracts.run import KEEP_NO_PARTS, CancelMark, RunStatus

BUDGET_S = 1.5
"""Time one step may take."""
LEASES_AWAITED_S = 60.0
"""After the end of a run, messages that workers may hold yet are waited for this long."""
AFTER_WARM_S = 5.0
"""Idle workers are looked after so much later than they should have left: storage's time has whole seconds."""
MOST_ATTEMPTS = 10
"""Largest number of attempts that a policy allows a container."""


class CleanUpActivities:
    """The activity that cleans up after a run."""

    def __init__(self, ports: Ports) -> None:
        self._blobs = ports.cloud.blobs
        self._queue = ports.cloud.queue
        self._clock = ports.cloud.clock
        self._containers = ports.containers
        self._pool = ports.pool
        self._states = RunStates(ports.cloud)
        self._drain = LaneDrain(ports.cloud)
        self._index = RunIndex(ports.cloud.blobs)
        self._warm_s = ports.warm_s

    def clean_up(self, _ctx: object, payload: Json) -> Json:
        """`CleanUp` to `CleanedUp`: one step. Not done means: call again."""
        return encode(self.step(decode(CleanUp, payload)))

    def step(self, asked: CleanUp) -> CleanedUp:
        """One step of `BUDGET_S` at most."""
        state = self._states.read(asked.run_id)
        if state.suspended_at is not None:
            self._blobs.delete(layout.suspend_mark(asked.run_id))
        cleaned = self._clean(asked, self._clock.monotonic() + BUDGET_S)
        if cleaned.done and state.status.ended:
            self._index.put(state, cleaned=True)
        return cleaned

    def _clean(self, asked: CleanUp, until: float) -> CleanedUp:
        self._remove_groups(asked.run_id)
        if asked.status is RunStatus.REJECTED:
            return CleanedUp(done=True)
        if asked.status in (RunStatus.FAILED, RunStatus.CANCELLED):
            self._mark_cancelled(asked.run_id)
            if not self._lane_is_clear(asked, until):
                return CleanedUp(done=False, detail="The run's messages are being taken off the queue.")
        self._end_workers(asked)
        return self._delete_blobs(asked, until)

    def _remove_groups(self, run_id: str) -> None:
        """Remove the groups of this run that are still there."""
        there = set(self._containers.names())
        for role in Role:
            for attempt in range(1, MOST_ATTEMPTS + 1):
                name = container_group_name(run_id, role, attempt)
                if name in there:
                    log = container_log(ContainerRef(run_id=run_id, role=role, attempt=attempt))
                    save_and_delete(self._containers, self._blobs, name, log)

    def _mark_cancelled(self, run_id: str) -> None:
        """Tell workers to drop what they hold of this run."""
        mark = CancelMark(run_id=run_id, at=self._clock.now(), reason="The run has ended.")
        self._blobs.create(layout.cancel_mark(run_id), encode_bytes(mark))

    def _lane_is_clear(self, asked: CleanUp, until: float) -> bool:
        """Whether none of the run's messages is left on its lane.

        Messages that are leased cannot be seen. If only such are left, they may be this run's, in the hands of a
        worker that is dropping them or has died; they are waited for, but not for ever.
        """
        swept = self._drain.sweep(asked.run_id, asked.lane, until)
        if swept.complete and swept.ours == 0 and (swept.others or self._queue.depth(LANE_QUEUES[asked.lane]) == 0):
            return True
        return self._ended_s_ago(asked.run_id) > LEASES_AWAITED_S

    def _ended_s_ago(self, run_id: str) -> float:
        ended_at = self._states.read(run_id).updated_at
        return (datetime.fromisoformat(self._clock.now()) - datetime.fromisoformat(ended_at)).total_seconds()

    def _end_workers(self, asked: CleanUp) -> None:
        """End workers that nobody needs. No message on any lane, leased ones included, means that none is at work."""
        if any(self._queue.depth(queue) for queue in LANE_QUEUES.values()):
            return
        self._pool.end(waiting_only=asked.status is not RunStatus.CANCELLED)
        if self._warm_s is not None and self._pool.counts().running:
            later = RunEvent(run_id=asked.run_id, reason="idle workers should have left", look_at_workers=True)
            self._queue.send(QueueName.RUN_EVENTS, encode_bytes(later), delay_s=self._warm_s + AFTER_WARM_S)

    def _delete_blobs(self, asked: CleanUp, until: float) -> CleanedUp:
        prefixes = []
        if asked.status in KEEP_NO_PARTS:
            prefixes.append(layout.parts_prefix(asked.run_id))
        unpublished = asked.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        if unpublished and self._blobs.head(layout.output_manifest(asked.run_id)) is None:
            prefixes.append(layout.output(asked.run_id, ""))
        done = all(delete_below(self._blobs, self._clock, prefix, until) for prefix in prefixes)
        return CleanedUp(done=done, detail="" if done else "Blobs are being deleted.")
