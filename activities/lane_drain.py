"""Takes the messages of one run off its lane, and leaves those of other runs as they were."""

from dataclasses import dataclass

from dropscore.cloud.ports import Cloud, MessageQueue, QueueMessage
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, LeaseLostError
from dropscore.contracts.names import LANE_QUEUES, Lane
from dropscore.contracts.plan import ShardMessage

_AT_ONCE = 32
_LEASE_S = 15.0
"""Long enough to look at a batch; when we end in between, the messages come back after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep over a lane met. `complete` says that every message that was visible was looked at."""

    ours: int
    others: int
    complete: bool


class LaneDrain:
    """Sweeps over lanes."""

    def __init__(self, cloud: Cloud) -> None:
        self._queue = cloud.queue
        self._clock = cloud.clock

    def sweep(self, run_id: str, lane: Lane, until: float) -> Swept:
        """Delete the messages of `run_id`, as far as there is time until `until` on the monotonic clock."""
        queue = LANE_QUEUES[lane]
        left = self._queue.depth(queue)
        ours = others = 0
        while left > 0:
            if self._clock.monotonic() >= until:
                return Swept(ours=ours, others=others, complete=False)
            messages = self._queue.receive(queue, count=min(_AT_ONCE, left), lease_s=_LEASE_S)
            if not messages:
                break
            left -= len(messages)
            for message in messages:
                if _is_of(run_id, message):
                    self._queue.delete(message)
                    ours += 1
                else:
                    give_back(self._queue, message)
                    others += 1
        return Swept(ours=ours, others=others, complete=True)


def give_back(queue: MessageQueue, message: QueueMessage) -> None:
    """Give back a message that is another run's, without a delivery counted against it.

    A message that was never delivered before is sent anew and then deleted; if we end in between, it is there twice,
    which is harmless. One that was delivered before keeps its count, which tells that it may be poison.
    """
    if message.dequeue_count == 1:
        queue.send(message.queue, message.body)
        queue.delete(message)
        return
    try:
        queue.extend(message, lease_s=0)
    except LeaseLostError:
        return  # our lease ran out: it is back already


def _is_of(run_id: str, message: QueueMessage) -> bool:
    """Whether a message is this run's. One that cannot be read is left to a worker, who puts it aside as poison."""
    try:
        return decode(ShardMessage, message.body).run_id == run_id
    except ContractError:
        return False
