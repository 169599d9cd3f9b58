"""Leases of messages, and the heartbeat that keeps them. Each is noted in the process's will while it is ours."""

import logging
import threading
from collections.abc import Callable

from dropscore.cloud.ports import Clock, MessageQueue, QueueMessage
from dropscore.contracts.errors import DropscoreError, LeaseLostError
from gpu_worker.will import LeftPiece, Will

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Wait before a heartbeat that storage did not answer is tried again."""


class Lease:
    """One leased message. Ours until it is given back, deleted, lost or run out; all methods are thread-safe.

    `leased_at` is monotonic time from before the request that leased it, so `held` never claims too much. It was
    leased for `first_s` (`lease_s` if not said), and is extended by `lease_s` each time.
    """

    def __init__(
        self,
        message: QueueMessage,
        *,
        queue: MessageQueue,
        clock: Clock,
        leased_at: float,
        lease_s: float,
        will: Will,
        first_s: float | None = None,
    ) -> None:
        self.message = message
        self.tried = False
        """Whether an earlier life of this worker began with it, under the same delivery."""
        self.interrupted = False
        """Whether that life ended in the middle of scoring it: then nobody has settled or divided it, since the lease
        has been this worker's all the time.
        """
        self.note = will.hold(
            queue=message.queue.value,
            message_id=message.message_id,
            receipt=message.receipt,
            body=message.body,
            deliveries=message.dequeue_count,
            since=leased_at,
            lease_s=first_s or lease_s,
        )
        self._queue = queue
        self._clock = clock
        self._lock = threading.Lock()
        self._ours = True
        self._since = leased_at
        self._lease_s = first_s or lease_s
        self._next_s = lease_s
        self.sooner: Callable[[], None] | None = None
        """Called when the lease is to be extended sooner than it was."""

    @property
    def held(self) -> bool:
        """Whether nobody else can have the message."""
        return self._ours and self._clock.monotonic() < self._since + self._lease_s

    @property
    def lease_s(self) -> float:
        """How long a lease lasts from each heartbeat on."""
        return self._next_s

    @property
    def next_beat(self) -> float:
        """Monotonic time at which the lease is to be extended: after a third of it, or half of a shorter first one."""
        return self._since + self._lease_s / (2 if self._lease_s < self._next_s else 3)

    def extend(self, lease_s: float | None = None) -> None:
        """Hold the message from now on for `lease_s`, or as long as each time.

        Raises `LeaseLostError` when somebody else has it, and never asks again after that.
        """
        with self._lock:
            if not self._ours:
                raise LeaseLostError(f"the lease of message {self.message.message_id} has ended")
            now = self._clock.monotonic()
            wanted_s = lease_s or self._next_s
            try:
                self.message = self._queue.extend(self.message, lease_s=wanted_s)
            except LeaseLostError:
                self._ours = False
                self.note.end()
                raise
            self.note.extended(self.message.receipt, now, wanted_s)
            shorter = wanted_s < self._lease_s
            self._since, self._lease_s, self._next_s = now, wanted_s, wanted_s
        if shorter and self.sooner is not None:
            self.sooner()

    def narrow(self, piece: LeftPiece) -> None:
        """Note that this piece of a divided shard is scored under it now."""
        with self._lock:
            self.note.narrowed(piece)
            self.note.extended(self.message.receipt, self._since, self._lease_s)

    def confirm(self) -> None:
        """Make sure that the message is ours right now, asking storage only if the lease has run out.

        Raises `LeaseLostError`.
        """
        if not self.held:
            self.extend()

    def release(self, *, delay_s: float = 0.0) -> None:
        """Give the message back, to be seen by others after `delay_s`. Nothing happens if it is not ours."""
        with self._lock:
            if not self._ours:
                return
            self._ours = False
            try:
                self._queue.extend(self.message, lease_s=delay_s)
            except LeaseLostError:
                return
            finally:
                self.note.end()

    def delete(self) -> bool:
        """Take the message off its queue; False when it was not ours any more."""
        with self._lock:
            if not self._ours:
                return False
            deleted = self._queue.delete(self.message)
            self._ours = False
            self.note.end()
            return deleted


class Heartbeat:
    """Extends every lease given to it at a third of its time, on a thread of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: set[Lease] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; leases run out from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def keep(self, lease: Lease) -> None:
        """Extend this lease from now on."""
        lease.sooner = self._wake
        with self._changed:
            self._leases.add(lease)
            self._changed.notify()

    def forget(self, lease: Lease) -> None:
        """Let this lease be."""
        with self._changed:
            self._leases.discard(lease)

    def beat(self) -> None:
        """Extend all leases that are due."""
        with self._changed:
            leases = sorted(self._leases, key=lambda lease: lease.next_beat)
        for lease in leases:
            if lease.next_beat <= self._clock.monotonic():
                self._extend(lease)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _extend(self, lease: Lease) -> None:
        """A lease that is lost is dropped here; who works under it sees that it is not held."""
        try:
            lease.extend()
        except LeaseLostError:
            log.warning("A lease was lost.", extra={"action": "lease_lost", "message_id": lease.message.message_id})
            self.forget(lease)
        except DropscoreError as error:
            log.warning("A heartbeat failed: %s", error, extra={"action": "heartbeat_failed"})

    def _run(self) -> None:
        while not self._stopped:
            self.beat()
            with self._changed:
                if not self._stopped:
                    self._changed.wait(self._wait_s())

    def _wait_s(self) -> float | None:
        """Seconds until the next lease is due; None when there is none."""
        if not self._leases:
            return None
        wait_s = min(lease.next_beat for lease in self._leases) - self._clock.monotonic()
        return wait_s if wait_s > 0 else RETRY_S
