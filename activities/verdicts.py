"""Counts the verdicts of a run."""

from activities.states import RunStates
from activities.verdict_listing import Settled, settled_shards
from dropscore.cloud.ports import Cloud
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.names import LANE_QUEUES
from dropscore.contracts.orchestration import CountVerdicts, VerdictCount
from dropscore.contracts.run import RunState, RunStatus


class VerdictActivities:
    """The activity that counts verdicts."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._queue = cloud.queue
        self._states = RunStates(cloud)

    def count_verdicts(self, _ctx: object, payload: Json) -> Json:
        """`CountVerdicts` to `VerdictCount`; the run's state follows.

        The queue is looked at before the verdicts: a message is deleted after its verdict is written, so whatever
        left the queue by then is counted.
        """
        asked = decode(CountVerdicts, payload)
        empty = asked.lane is not None and self._queue.depth(LANE_QUEUES[asked.lane]) == 0
        cancelled = self._blobs.head(layout.cancel_mark(asked.run_id)) is not None
        suspended = self._blobs.head(layout.suspend_mark(asked.run_id)) is not None
        settled = settled_shards(self._blobs, asked.run_id, from_shard=asked.settled_before, shards=asked.shards)
        count = counted(asked, tuple(settled), cancelled=cancelled, suspended=suspended, queue_empty=empty)
        if count.settled > asked.settled:
            self._states.change(asked.run_id, lambda state: self._progressed(state, count))
        return encode(count)

    def _progressed(self, state: RunState, count: VerdictCount) -> RunState:
        """The state after a count. Counts only grow: a restarted run counts again what is known already."""
        scoring = self._states.enter(RunStatus.SCORING, state.detail)(state)
        return scoring.model_copy(
            update={
                "items_done": max(state.items_done, count.items_done),
                "items_failed": max(state.items_failed, count.items_failed),
                "shards_settled": max(state.shards_settled, count.settled),
                "worker_s": max(state.worker_s, count.worker_s),
            }
        )


def counted(
    asked: CountVerdicts, settled: tuple[Settled, ...], *, cancelled: bool, suspended: bool, queue_empty: bool
) -> VerdictCount:
    """Totals over all shards, and the cursor moved over those that are settled without a gap."""
    before = asked.settled_before
    items_before, failed_before, worker_s_before = asked.items_before, asked.failed_before, asked.worker_s_before
    for one in settled:
        if one.shard_id != before:
            break
        before += 1
        items_before += one.items_done
        failed_before += one.items_failed
        worker_s_before += one.worker_s
    return VerdictCount(
        settled=asked.settled_before + len(settled),
        items_done=asked.items_before + sum(one.items_done for one in settled),
        items_failed=asked.failed_before + sum(one.items_failed for one in settled),
        settled_before=before,
        items_before=items_before,
        failed_before=failed_before,
        worker_s=asked.worker_s_before + sum(one.worker_s for one in settled),
        worker_s_before=worker_s_before,
        cancelled=cancelled,
        suspended=suspended,
        queue_empty=queue_empty,
    )
