"""The shards of a run, until each has a verdict.

1. Put the shards on the lane's queue, page by page. The next page goes out while earlier shards are being scored.
2. Count the verdicts. The count starts from a cursor, so it costs what is new, not what is done.
3. All shards settled, the run cancelled, or its deadline passed: that is the end.
4. When it has been quiet for a while (and once at the beginning), see that enough workers are there or coming.
5. When it has been quiet for too long, shards may have been lost: put those without a verdict on the queue again.
   Too many such stalls in a row are the end.
6. While the run is suspended, begin nothing and count no time; workers drop its messages meanwhile. After it, see that
   workers come, and put the shards without a verdict on the queue again.
7. Wait: for a nudge, for the next page, or for a timer that grows while nothing changes. Then count again.

After some rounds it continues as new, so that its history stays short however many shards there are.
"""

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durabletask.task import CompletableTask, OrchestrationContext, when_any

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.names import ActivityName
from dropscore.contracts.orchestration import (
    CountVerdicts,
    Enqueue,
    Enqueued,
    Requeue,
    Requeued,
    ScoreEnd,
    ScoreShards,
    VerdictCount,
    WorkersSeen,
    WorkersWanted,
)
from orchestrations import shard_decisions as decisions
from orchestrations.calls import Story, activity, answer_to, guarded, start_activity
from orchestrations.shard_decisions import ScoreMove
from orchestrations.waiting import Waiter, generation_length, longer

_EPOCH = datetime(2020, 1, 1)  # noqa: DTZ001 - the orchestration's own time has no zone; it is UTC
_REQUEUE_STEPS = 8
"""Most calls that put shards on the queue again in one stall; the next stall goes on with the rest."""


def score_shards(ctx: OrchestrationContext, payload: Json) -> Story[Json]:
    """Orchestrator: `ScoreShards` to `ScoreEnd`."""
    state = decode(ScoreShards, payload)
    rounds = _Rounds(ctx=ctx, state=state, waiter=Waiter(ctx), clock=ctx.current_utc_datetime)
    end = yield from guarded(
        _rounds(rounds),
        lambda failure: ScoreEnd(items_done=rounds.state.items_before, items_failed=0, failure=failure),
    )
    if end is None:
        ctx.continue_as_new(encode(rounds.state), save_events=True)
        return None
    return encode(end)


@dataclass(slots=True, kw_only=True)
class _Rounds:
    """What one generation knows. `clock` is the orchestration's time up to which the state's seconds count."""

    ctx: OrchestrationContext
    state: ScoreShards
    waiter: Waiter
    clock: datetime
    enqueueing: CompletableTask[Any] | None = None

    def advance(self, **changes: Any) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=changes)

    def passed_s(self) -> float:
        """Seconds since the last call."""
        before, self.clock = self.clock, self.ctx.current_utc_datetime
        return (self.clock - before).total_seconds()


def _rounds(rounds: _Rounds) -> Story[ScoreEnd | None]:
    """Rounds of enqueueing, counting, acting and waiting. None when it is time to continue as new."""
    length = 0.0
    for turn in itertools.count(1):
        yield from _enqueue(rounds, more=length < 1 and not rounds.state.suspended)
        count = yield from _count(rounds)
        end = decisions.score_end(rounds.state, count) or (yield from _act(rounds, count))
        if end is not None:
            return end
        length = generation_length(turn, rounds.waiter.nudges, rounds.state.policy)
        if length >= 1 and rounds.enqueueing is None and not rounds.waiter.timer_open:
            break
        if length >= 1.5:
            yield from _settle(rounds)
            break
        yield from _wait(rounds)
    return None


def _enqueue(rounds: _Rounds, *, more: bool) -> Story[None]:
    """Take in how far the shards are on the queue, and send for `more` if any are left. Waits for nothing but a queue
    that does not answer.
    """
    policy = rounds.state.policy
    if rounds.enqueueing is not None and rounds.enqueueing.is_complete:
        asked = (rounds.enqueueing, ActivityName.ENQUEUE_SHARDS, _page(rounds.state))
        enqueued = yield from answer_to(rounds.ctx, *asked, Enqueued, policy)
        rounds.advance(next_shard=enqueued.next_shard)
        rounds.enqueueing = None
    if more and rounds.enqueueing is None and rounds.state.next_shard < rounds.state.shards:
        rounds.enqueueing = start_activity(rounds.ctx, ActivityName.ENQUEUE_SHARDS, _page(rounds.state), policy)


def _page(state: ScoreShards) -> Enqueue:
    """The order to put the next page of shards on the queue."""
    return Enqueue(run_id=state.run_id, lane=state.lane, next_shard=state.next_shard, shards=state.shards)


def _count(rounds: _Rounds) -> Story[VerdictCount]:
    state = rounds.state
    suspicious = state.next_shard >= state.shards and state.quiet_s >= decisions.look_after_s(state.policy)
    asked = CountVerdicts(
        run_id=state.run_id,
        settled_before=state.settled_before,
        items_before=state.items_before,
        failed_before=state.failed_before,
        worker_s_before=state.worker_s_before,
        shards=state.shards,
        settled=state.settled,
        lane=state.lane if suspicious else None,
    )
    count = yield from activity(rounds.ctx, ActivityName.COUNT_VERDICTS, asked, VerdictCount, state.policy)
    rounds.state = decisions.counted(state, count, rounds.passed_s())
    return count


def _act(rounds: _Rounds, count: VerdictCount) -> Story[ScoreEnd | None]:
    move = decisions.score_move(rounds.state, count)
    if move is ScoreMove.LOOK:
        yield from _ensure_workers(rounds)
        rounds.state = decisions.looked(rounds.state)
    elif move is ScoreMove.REQUEUE:
        workers = yield from _ensure_workers(rounds)
        rounds.state = decisions.stalled(rounds.state)
        end = decisions.end_of_stalls(rounds.state, count, workers)
        if end is not None:
            return end
        yield from _requeue(rounds)
    elif move is ScoreMove.PAUSE:
        rounds.state = decisions.paused(rounds.state)
    elif move is ScoreMove.RESUME:
        rounds.state = decisions.resumed(rounds.state)
        yield from _ensure_workers(rounds)
        yield from _requeue(rounds, trust_queue=False)
    return None


def _ensure_workers(rounds: _Rounds) -> Story[WorkersSeen]:
    state = rounds.state
    wanted = WorkersWanted(
        run_id=state.run_id,
        wanted=min(state.policy.max_workers, state.shards - state.settled),
        round=int((rounds.ctx.current_utc_datetime - _EPOCH).total_seconds()),
    )
    return (yield from activity(rounds.ctx, ActivityName.ENSURE_WORKERS, wanted, WorkersSeen, state.policy))


def _requeue(rounds: _Rounds, *, trust_queue: bool = True) -> Story[None]:
    """Put missing shards on the queue again, of those that have been on it before."""
    state = rounds.state
    next_shard = state.settled_before
    for _ in range(_REQUEUE_STEPS):
        missing = Requeue(
            run_id=state.run_id,
            lane=state.lane,
            settled_before=state.settled_before,
            shards=state.next_shard,
            generation=state.rounds,
            next_shard=next_shard,
            trust_queue=trust_queue,
        )
        sent = yield from activity(rounds.ctx, ActivityName.REQUEUE_MISSING, missing, Requeued, state.policy)
        next_shard = sent.next_shard
        if next_shard >= state.next_shard:
            return


def _wait(rounds: _Rounds) -> Story[None]:
    policy = rounds.state.policy
    wait_s = rounds.state.wait_s or policy.poll_first_s
    heed = decisions.heeds_nudges(rounds.state, wait_s)
    nudged = yield from rounds.waiter.wait(wait_s, rounds.enqueueing, heed_nudges=heed)
    if not nudged and not rounds.state.suspended:
        rounds.advance(wait_s=longer(wait_s, policy))


def _settle(rounds: _Rounds) -> Story[None]:
    """Leave nothing open behind: what is answered to the next generation would be taken for another answer."""
    if rounds.enqueueing is not None:
        yield when_any([rounds.enqueueing])
        yield from _enqueue(rounds, more=False)
    yield from rounds.waiter.settle()
