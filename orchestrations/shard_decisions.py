"""Every choice about the shards of a run, as pure functions: of what is known to what happens next."""

from enum import StrEnum

from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.orchestration import ScoreEnd, ScoreShards, VerdictCount, WorkersSeen
from dropscore.contracts.request import RunPolicy
from orchestrations.waiting import paused_wait_s

LOOK_AFTER_S = 2.0
"""It may be quiet for this long before the workers, and an empty queue, are looked at."""
LOOK_EVERY_S = 30.0
"""While verdicts come in, the workers are looked at this often, or once in a lease if that is shorter: some may have
died, and the others are then fewer than the run may have."""


class ScoreMove(StrEnum):
    """What `score_shards` does next."""

    END = "end"
    LOOK = "look"
    """See that enough workers are there, or coming."""
    REQUEUE = "requeue"
    """Put the shards without a verdict on the queue again."""
    WAIT = "wait"
    PAUSE = "pause"
    """The run is suspended: begin nothing."""
    RESUME = "resume"
    """It is not any more: workers are needed, and the messages they have dropped."""


def counted(state: ScoreShards, count: VerdictCount, passed_s: float) -> ScoreShards:
    """The state after a count, `passed_s` seconds after the last one. A new verdict ends every worry, and time in which
    the run is suspended is no time.
    """
    if state.suspended or count.suspended:
        passed_s = 0.0
    seen: dict[str, float] = {
        "settled": count.settled,
        "settled_before": count.settled_before,
        "items_before": count.items_before,
        "failed_before": count.failed_before,
        "worker_s_before": count.worker_s_before,
        "elapsed_s": state.elapsed_s + passed_s,
        "quiet_s": state.quiet_s + passed_s,
        "unlooked_s": state.unlooked_s + passed_s,
    }
    new = count.settled - state.settled
    if new > 0:
        left_s = (state.shards - count.settled) * seen["quiet_s"] / new
        look_s = look_after_s(state.policy) if state.look_s else 0.0  # the first look is made even so
        wait_s = pace_s(state.policy, left_s)
        seen |= {"quiet_s": 0.0, "stalls": 0, "wait_s": wait_s, "look_s": look_s}
    return state.model_copy(update=seen)


def pace_s(policy: RunPolicy, left_s: float) -> float:
    """The wait after a new verdict, when the rest takes `left_s` at the present pace: a quarter of that, so that a
    long run costs few looks and the end of a short one is seen at once. Far from the end it may be twice the longest
    wait of other times.
    """
    return min(max(left_s / 4, policy.poll_first_s), 2 * policy.poll_most_s)


def heeds_nudges(state: ScoreShards, wait_s: float) -> bool:
    """Whether a nudge ends a wait. Far from the end of a run it would only tell that scoring goes on."""
    return state.suspended or state.quiet_s > 0 or wait_s <= state.policy.poll_most_s


def score_end(state: ScoreShards, count: VerdictCount) -> ScoreEnd | None:
    """The end of scoring, if this is it."""
    if count.settled >= state.shards:
        return ScoreEnd(items_done=count.items_done, items_failed=count.items_failed)
    if count.cancelled:
        return ScoreEnd(items_done=count.items_done, items_failed=count.items_failed, cancelled=True)
    if state.elapsed_s >= state.policy.deadline_s:
        message = f"The run was not done after {state.policy.deadline_s:g} s; {_missing(state)} are left."
        return _given_up(count, failure(Code.RUN_DEADLINE, message))
    return None


def score_move(state: ScoreShards, count: VerdictCount) -> ScoreMove:
    """What to do while shards are missing (see `score_end`)."""
    if count.suspended:
        return ScoreMove.PAUSE
    if state.suspended:
        return ScoreMove.RESUME
    if state.next_shard >= state.shards and state.quiet_s >= patience_s(state, count):
        return ScoreMove.REQUEUE
    calm = state.quiet_s < look_after_s(state.policy)
    if state.quiet_s >= state.look_s or (calm and state.unlooked_s >= look_every_s(state.policy)):
        return ScoreMove.LOOK
    return ScoreMove.WAIT


def patience_s(state: ScoreShards, count: VerdictCount) -> float:
    """How long it may be quiet before shards are put on the queue again, in seconds.

    A message is deleted only after its verdict is written, so an empty queue with verdicts missing has lost
    messages, and there is nothing to wait for.
    """
    return look_after_s(state.policy) if count.queue_empty else state.policy.stall_s


def look_after_s(policy: RunPolicy) -> float:
    """How long it may be quiet before anything is looked into, in seconds."""
    return min(LOOK_AFTER_S, policy.lease_s, policy.stall_s)


def look_every_s(policy: RunPolicy) -> float:
    """How often the workers are looked at although verdicts come in, in seconds."""
    return max(look_after_s(policy), min(LOOK_EVERY_S, policy.lease_s))


def looked(state: ScoreShards) -> ScoreShards:
    """The state after a look at the workers: the next one comes after twice as long a silence."""
    calm = look_after_s(state.policy)
    look_s = min(max(2 * state.quiet_s, calm), max(state.policy.stall_s, calm))
    return state.model_copy(update={"look_s": look_s, "unlooked_s": 0.0})


def stalled(state: ScoreShards) -> ScoreShards:
    """The state after a stall was dealt with: the silence is counted anew."""
    calm = look_after_s(state.policy)
    update = {"stalls": state.stalls + 1, "rounds": state.rounds + 1, "quiet_s": 0.0, "wait_s": 0.0, "look_s": calm}
    return state.model_copy(update=update | {"unlooked_s": 0.0})


def paused(state: ScoreShards) -> ScoreShards:
    """The state of a run that is suspended."""
    return state.model_copy(update={"suspended": True, "wait_s": paused_wait_s(state.policy)})


def resumed(state: ScoreShards) -> ScoreShards:
    """The state of a run that is not suspended any more: all is looked at as at its beginning."""
    calm = look_after_s(state.policy)
    update = {
        "suspended": False,
        "rounds": state.rounds + 1,
        "stalls": 0,
        "quiet_s": 0.0,
        "wait_s": 0.0,
        "look_s": calm,
    }
    return state.model_copy(update=update)


def end_of_stalls(state: ScoreShards, count: VerdictCount, workers: WorkersSeen) -> ScoreEnd | None:
    """The end of scoring once too many stalls came in a row without a new verdict."""
    if state.stalls < state.policy.stall_limit:
        return None
    if workers.running == 0:
        why = failure(Code.WORKERS_UNAVAILABLE, f"No worker ran; {_missing(state)} are left.", detail=workers.detail)
    else:
        why = failure(Code.RUN_STALLED, f"No shard was finished for too long; {_missing(state)} are left.")
    return _given_up(count, why)


def _missing(state: ScoreShards) -> str:
    return f"{state.shards - state.settled} of {state.shards} shards"


def _given_up(count: VerdictCount, why: Failure) -> ScoreEnd:
    return ScoreEnd(items_done=count.items_done, items_failed=count.items_failed, failure=why)
