"""What becomes of a shard when all its stages have ended: a verdict, another try, or nothing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from dropscore.cloud.ports import Clock, MessageQueue
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.failures import CODES, Code, Failure, FailureClass
from dropscore.contracts.names import POISON_QUEUES
from dropscore.contracts.quarantine import PoisonedMessage
from dropscore.contracts.request import RunPolicy
from gpu_worker.causes import cause_of
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.leases import Lease
from gpu_worker.verdicts import Verdicts

log = logging.getLogger(__name__)

BACKOFF_S = 1.0
BACKOFF_MOST_S = 60.0
MOST_BODY_BYTES = 20_000
"""Of a malformed message, kept with the reason; a queue message has room for 48 KB."""


class Next(StrEnum):
    """What to do about a failure."""

    VERDICT = "verdict"
    """It is settled: failed."""
    RETRY = "retry"
    """Give it back; deliveries are counted by the queue."""
    REQUEUE = "requeue"
    """Send it anew, so that this try does not count: the shard did nothing wrong."""
    POISON = "poison"
    """It is no shard of ours."""
    DROP = "drop"
    """Nobody wants it any more."""
    LEAVE = "leave"
    """Give it back at once; this worker must go."""


def next_step(failure: Failure, *, delivery: int, attempts: int) -> Next:
    """What a failure means for the shard, at its `delivery`-th delivery of `attempts`."""
    if failure.code is Code.MESSAGE_MALFORMED:
        return Next.POISON
    match failure.failure_class:
        case FailureClass.CANCELLED:
            return Next.DROP
        case FailureClass.BAD_INPUT:
            return Next.VERDICT
        case FailureClass.TRANSIENT:
            return Next.REQUEUE
        case FailureClass.DEVICE_LOST:
            return Next.LEAVE
        case FailureClass.OUT_OF_MEMORY | FailureClass.BUG:
            return Next.VERDICT if delivery >= attempts else Next.RETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a shard left this worker. `publish_s` is the time that part and verdict took, if it was scored."""

    has_verdict: bool
    publish_s: float | None = None
    device_lost: bool = False


class Settling:
    """Ends shards."""

    def __init__(self, queue: MessageQueue, clock: Clock, verdicts: Verdicts, *, worker: str) -> None:
        self._queue = queue
        self._clock = clock
        self._verdicts = verdicts
        self._worker = worker

    def settle(self, job: Job) -> Settled:
        """Do what the end of a shard asks for. Never raises what storage does: the lease then runs out by itself."""
        try:
            return self._settle(job)
        except StoppedError as stopped:
            log.warning("A shard was not published: %s.", stopped.reason, extra={**job.fields, "action": "discarded"})
        except DropscoreError as error:
            log.warning("A shard could not be settled: %s", error, extra={**job.fields, "action": "settle_failed"})
            self._quietly(job.lease.release)
        return Settled(has_verdict=False)

    def poison(self, lease: Lease, reason: str) -> None:
        """Move a message that is none of ours to its lane's poison queue. Raises what storage does."""
        body = lease.message.body
        poisoned = PoisonedMessage(
            queue=lease.message.queue.value,
            reason=reason[:2000],
            body=body[:MOST_BODY_BYTES].decode(errors="replace"),
            body_bytes=len(body),
            worker=self._worker,
            at=self._clock.now(),
        )
        self._queue.send(POISON_QUEUES[lease.message.queue], encode_bytes(poisoned))
        lease.delete()
        log.warning("A malformed message was put aside: %s", reason, extra={"action": "poisoned"})

    def _settle(self, job: Job) -> Settled:
        if job.stop is None:
            publish_s = self._verdicts.done(job)
            self._forget(job)
            log.info("Scored a shard.", extra={**job.fields, "action": "scored", "items": job.message.shard.items})
            return Settled(has_verdict=True, publish_s=publish_s)
        match job.stop:
            case Stop.FAILED:
                return self._failed(job)
            case Stop.CANCELLED | Stop.SETTLED:
                self._forget(job)
            case Stop.LEAVING:
                job.lease.release()
            case Stop.LEASE_LOST:
                pass
        log.info("Let go of a shard: %s.", job.stop, extra={**job.fields, "action": f"stopped_{job.stop}"})
        return Settled(has_verdict=job.stop is Stop.SETTLED)

    def _failed(self, job: Job) -> Settled:
        assert job.error is not None
        failure = cause_of(job.error)
        policy = job.context.run.policy if job.context else RunPolicy()
        delivery = job.lease.message.dequeue_count
        step = next_step(failure, delivery=delivery, attempts=policy.shard_attempts)
        log.warning(
            "A shard failed: %s",
            failure.message,
            extra={**job.fields, "action": f"failed_{step}", "code": failure.code.value, "detail": failure.detail},
        )
        match step:
            case Next.VERDICT:
                self._verdicts.failed(job, _final(failure))
                self._forget(job)
                return Settled(has_verdict=True)
            case Next.RETRY:
                job.lease.release(delay_s=min(BACKOFF_MOST_S, BACKOFF_S * 2 ** (delivery - 1)))
            case Next.REQUEUE:
                self._requeue(job)
            case Next.POISON:
                self.poison(job.lease, failure.message)
            case Next.DROP:
                self._forget(job)
            case Next.LEAVE:
                job.lease.release()
                return Settled(has_verdict=False, device_lost=True)
        return Settled(has_verdict=False)

    def _requeue(self, job: Job) -> None:
        """A fresh message, seen after a pause that grows with each; then the old one goes."""
        again = job.message.model_copy(update={"generation": job.message.generation + 1})
        pause_s = min(BACKOFF_MOST_S, BACKOFF_S * 2 ** min(job.message.generation, 10))
        job.lease.confirm()
        self._queue.send(job.lease.message.queue, encode_bytes(again), delay_s=pause_s)
        job.lease.delete()

    def _forget(self, job: Job) -> None:
        """Delete the message. If that fails, whoever gets it next sees the verdict."""
        self._quietly(job.lease.delete)

    def _quietly(self, action: Callable[[], object]) -> None:
        try:
            action()
        except DropscoreError as error:
            log.warning("A message was not given back: %s", error, extra={"action": "message_left"})


def _final(failure: Failure) -> Failure:
    """A bug that used up its attempts says so; other failures keep their code."""
    if failure.code is not Code.INTERNAL:
        return failure
    message = f"the shard failed on every attempt, the last time with: {failure.message}"
    return failure.model_copy(
        update={"code": Code.SHARD_FAILED, "message": message, "action": CODES[Code.SHARD_FAILED].action}
    )
