"""What becomes of a shard when all its stages have ended: a verdict, another try, or nothing."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dropscore.cloud.ports import Clock, MessageQueue
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.failures import CODES, Code, Failure, FailureClass, failure
from dropscore.contracts.messages import poison_record
from dropscore.contracts.names import POISON_QUEUES
from dropscore.contracts.plan import Piece, ShardMessage
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.request import RunPolicy
from gpu_worker.causes import cause_of
from gpu_worker.division import pieces_for
from gpu_worker.families import MOST_DELIVERIES, Family, Member, members
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.leases import Lease
from gpu_worker.pieces import Pieces
from gpu_worker.steps import BACKOFF_S, COUNTED, Next, backoff_s, next_step
from gpu_worker.verdicts import Verdicts

log = logging.getLogger(__name__)

UNSETTLED_PAUSE_S = 10.0
"""Wait before a shard comes back whose result storage refused: it would be refused at once."""
DIVIDED_AFTER = 2
"""Tries of a shard that failed at the same items each time: more would do its other items over for nothing. The items
themselves are tried as often as the policy says.
"""
TOO_SLOW = "its lease ran out while it was worked on: this machine or storage was too slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a shard left this worker. `publish_s` is the time that part and verdict took, if it was scored."""

    has_verdict: bool
    publish_s: float | None = None
    device_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """How often items have been tried, alone or in what they were cut from, and in how many deliveries; whether a shard
    that can be divided has failed at the same of its items before (`again`).
    """

    times: int = 1
    deliveries: int = 1
    again: bool = False


class Settling:
    """Ends shards."""

    def __init__(self, queue: MessageQueue, clock: Clock, verdicts: Verdicts, pieces: Pieces, *, worker: str) -> None:
        self._queue = queue
        self._clock = clock
        self._verdicts = verdicts
        self._pieces = pieces
        self._worker = worker

    def settle(self, job: Job) -> Settled:
        """Do what the end of a shard asks for. Never raises what storage does: the lease then runs out by itself."""
        try:
            return self._settle(job)
        except StoppedError as stopped:
            log.warning("A shard was not published: %s.", stopped.reason, extra={**job.fields, "action": "discarded"})
            if stopped.reason is Stop.CANCELLED:
                self._forget(job)
            elif stopped.reason is Stop.LEASE_LOST:
                self._explain(job)
        except DropscoreError as error:
            log.warning("A shard could not be settled: %s", error, extra={**job.fields, "action": "settle_failed"})
            self._put_back(job)
        return Settled(has_verdict=False)

    def poison(self, lease: Lease, reason: str) -> None:
        """Move a message that is none of ours to its lane's poison queue. Raises what storage does."""
        queue, body = lease.message.queue, lease.message.body
        record = poison_record(queue, reason, body, worker=self._worker, at=self._clock.now())
        self._queue.send(POISON_QUEUES[queue], record)
        lease.delete()
        log.warning("A malformed message was put aside: %s", reason, extra={"action": "poisoned"})

    def _settle(self, job: Job) -> Settled:
        if job.stop is None:
            publish_s = self._verdicts.done(job)
            self._forget(job)
            log.info("Scored a shard.", extra={**job.fields, "action": "scored", "items": len(job.items)})
            return Settled(has_verdict=True, publish_s=publish_s)
        match job.stop:
            case Stop.FAILED:
                return self._failed(job)
            case Stop.CANCELLED | Stop.SUSPENDED:
                self._forget(job)
            case Stop.SETTLED:
                self._verdicts.merge(job)
                self._forget(job)
            case Stop.DIVIDED:
                self._go_on(job, self._verdicts.insist(job, lambda: self._pieces.resume(job.message)))
            case Stop.LEAVING:
                job.lease.release()
            case Stop.LEASE_LOST:
                self._explain(job)
        log.info("Let go of a shard: %s.", job.stop, extra={**job.fields, "action": f"stopped_{job.stop}"})
        return Settled(has_verdict=job.stop is Stop.SETTLED)

    def _failed(self, job: Job) -> Settled:
        assert job.error is not None
        failure = cause_of(job.error)
        policy = job.context.run.policy if job.context else RunPolicy()
        tried = self._count_try(job, failure)
        step = next_step(failure, tries=tried.times, attempts=DIVIDED_AFTER if tried.again else policy.shard_attempts)
        log.warning(
            "A shard failed: %s",
            failure.message,
            extra={**job.fields, "action": f"failed_{step}", "code": failure.code.value, "detail": failure.detail},
        )
        match step:
            case Next.GIVE_UP:
                self._give_up(job, failure, early=tried.times < policy.shard_attempts and tried.again)
                return Settled(has_verdict=True)
            case Next.RETRY:
                self._again(job, backoff_s(policy.shard_backoff_s, tried.deliveries - 1))
            case Next.REQUEUE:
                self._requeue(job)
            case Next.POISON:
                self.poison(job.lease, failure.message)
            case Next.DROP:
                self._forget(job)
            case Next.LEAVE:
                self._record_end(job, failure)
                job.lease.release()
                return Settled(has_verdict=False, device_lost=True)
        return Settled(has_verdict=False)

    def _count_try(self, job: Job, failure: Failure) -> _Tried:
        """Write down a try that counts, and count it with those before. Of bad input one try is enough."""
        if job.judged or failure.code is Code.MESSAGE_MALFORMED or failure.failure_class not in COUNTED:
            return _Tried()
        tried = self._verdicts.tried(job)
        at_work = set(_named_items(failure) or job.suspects or ())
        this = self._verdicts.insist(
            job, lambda: self._pieces.attempts.record(tried, failure, at_work=at_work, times=job.tries)
        )
        job.attempts = (*job.attempts, this)
        if failure.failure_class is FailureClass.BAD_INPUT:
            return _Tried()
        tries = [one for one in job.attempts if not one.death and one.failure.failure_class in COUNTED]
        same = sum(one.times for one in tries if not at_work.isdisjoint(one.at_work))
        again = _divisible(job) and job.message.range.items > 1 and same >= DIVIDED_AFTER
        return _Tried(times=max(1, sum(one.times for one in tries)), deliveries=max(1, len(tries)), again=again)

    def _explain(self, job: Job) -> None:
        """Write down that a delivery came to nothing because this worker was too slow, so that it does not count among
        those of which nobody knows the end.
        """
        try:
            self._pieces.attempts.record(self._verdicts.tried(job), failure(Code.STORAGE_UNAVAILABLE, TOO_SLOW))
        except DropscoreError as error:
            log.warning("A lost lease was not recorded: %s", error, extra={**job.fields, "action": "unrecorded"})

    def _record_end(self, job: Job, failure: Failure) -> None:
        """The process must end after this, as if it had been killed by what was at work."""
        tried, at_work = self._verdicts.tried(job), job.suspects or ()
        self._verdicts.insist(job, lambda: self._pieces.attempts.record(tried, failure, at_work=at_work, death=True))

    def _give_up(self, job: Job, failure: Failure, *, early: bool) -> None:
        """Divide a shard or piece, or put it into quarantine; then its message goes. `early`: divide it only, since
        its items are to be tried again.
        """
        asked, suspects = job.message.range, job.suspects
        tried = self._verdicts.tried(job)
        if early:
            suspects = tuple(_named_items(failure)) or suspects
            final = failure.model_copy(update={"item": None, "last_item": None})
        else:
            final = _final(failure, asked)
        pieces = pieces_for(asked, final, suspects) if _divisible(job) else ()
        if not pieces or final.item is not None:  # a division alone publishes nothing
            self._verdicts.unless_cancelled(job)
        messages = self._verdicts.insist(job, lambda: self._pieces.give_up(tried, final, pieces, known=job.attempts))
        if not pieces:
            self._verdicts.merge(job)
        self._go_on(job, messages)

    def _go_on(self, job: Job, messages: Sequence[ShardMessage]) -> None:
        """Have the pieces of a shard or piece scored: here, or by whoever gets their messages."""
        now = self._clock.monotonic()
        pieces = members(messages, job.attempts, now)
        if pieces and job.lease.message.dequeue_count <= MOST_DELIVERIES:
            job.family = job.family or Family(job.lease, now=now)
            job.family.add(pieces)
        else:
            for message in messages:
                self._verdicts.insist(job, partial(self._queue.send, job.lease.message.queue, encode_bytes(message)))
        self._forget(job)

    def _again(self, job: Job, delay_s: float) -> None:
        """Have it tried again a little later."""
        if job.family is None:
            job.lease.release(delay_s=delay_s)
        else:
            due = self._clock.monotonic() + delay_s
            job.family.add([Member(message=job.message, known=job.attempts, due=due)])

    def hand_on(self, family: Family, pieces: Sequence[Member]) -> None:
        """Put pieces on the queue. Those for which storage does not allow it wait on."""
        queue = family.lease.message.queue
        for number, one in enumerate(pieces):
            delay_s = max(0.0, one.due - self._clock.monotonic())
            try:
                self._queue.send(queue, encode_bytes(_told(one.message, one.known)), delay_s=delay_s)
            except DropscoreError as error:
                log.warning("Pieces stay here for now: %s", error, extra={"action": "hand_on_failed"})
                time.sleep(BACKOFF_S)
                family.add(pieces[number:])
                return

    def forget(self, lease: Lease) -> None:
        """Delete a message. If that fails, whoever gets it next sees what became of it."""
        self._quietly(lease.delete)

    def _requeue(self, job: Job) -> None:
        """A fresh message, seen after a pause that grows with each; then the old one goes."""
        again = _told(job.message, job.attempts).model_copy(update={"generation": job.message.generation + 1})
        pause_s = backoff_s(BACKOFF_S, job.message.generation)
        job.lease.confirm()
        self._queue.send(job.lease.message.queue, encode_bytes(again), delay_s=pause_s)
        self._forget(job)

    def _put_back(self, job: Job) -> None:
        """Its result could not be written, which is no fault of its items: as a fresh message, or at least later."""
        try:
            self._requeue(job)
        except DropscoreError:
            self._quietly(lambda: job.lease.release(delay_s=UNSETTLED_PAUSE_S))

    def _forget(self, job: Job) -> None:
        """Delete the message, unless it is that of a family: it goes with the last of them."""
        if job.family is None:
            self.forget(job.lease)

    def _quietly(self, action: Callable[[], object]) -> None:
        try:
            action()
        except DropscoreError as error:
            log.warning("A message was not given back: %s", error, extra={"action": "message_left"})


def _told(message: ShardMessage, known: Sequence[Attempt]) -> ShardMessage:
    """The message, saying that there are attempts where there are: whoever gets it reads them."""
    return message.model_copy(update={"suspected": True}) if known else message


def _divisible(job: Job) -> bool:
    """Whether the shard's workload knows pieces."""
    return job.context is not None and job.context.narrow is not None


def _named_items(failure: Failure) -> range:
    """The items that a failure names."""
    if failure.item is None:
        return range(0)
    return range(failure.item, (failure.item if failure.last_item is None else failure.last_item) + 1)


def _final(failure: Failure, asked: Piece) -> Failure:
    """A bug that used up its attempts says so; other failures keep their code."""
    if failure.code is not Code.INTERNAL:
        return failure
    what = f"item {asked.first_item}" if asked.items == 1 else "the shard"
    message = f"{what} failed on every attempt, the last time with: {failure.message}"
    return failure.model_copy(
        update={"code": Code.SHARD_FAILED, "message": message, "action": CODES[Code.SHARD_FAILED].action}
    )
