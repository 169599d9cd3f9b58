"""One container of a run, until what it makes exists: the plan, or the stitched outputs.

1. Look first: does the product exist, is the run cancelled, did the container write down a permanent failure?
   Each of these is the end. (What exists counts, whatever became of the container that made it.)
2. Without a container group of this attempt, start one. Its name is that of the run, the role and the attempt, so
   starting twice is starting once.
   While the run is suspended, none is started; one that runs is left to do its work.
3. While it waits or runs, wait: for a nudge, or for a timer that grows while nothing changes.
4. When it ended without its product, disappeared, or took too long: remove it, and begin the next attempt; after
   the last one, that is the end.
5. In the end remove the group, its log saved first. Whatever fails on the way, this is done.

After some rounds it continues as new, so that its history stays short.
"""

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durabletask.task import OrchestrationContext

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.names import ActivityName
from dropscore.contracts.orchestration import (
    ContainerCheck,
    ContainerEnd,
    ContainerPhase,
    ContainerRef,
    ContainerRun,
    RunRef,
)
from orchestrations.calls import Story, activity, guarded
from orchestrations.decisions import ContainerMove, container_end, container_move, next_attempt
from orchestrations.waiting import Waiter, generation_length, longer, paused_wait_s


def run_container(ctx: OrchestrationContext, payload: Json) -> Story[Json]:
    """Orchestrator: `ContainerRun` to `ContainerEnd`."""
    rounds = _Rounds(ctx=ctx, state=decode(ContainerRun, payload), waiter=Waiter(ctx), clock=ctx.current_utc_datetime)
    end = yield from guarded(_rounds(rounds), lambda failure: ContainerEnd(ok=False, failure=failure))
    if end is None:
        ctx.continue_as_new(encode(rounds.state), save_events=True)
        return None
    yield from _remove(rounds)
    return encode(end)


@dataclass(slots=True, kw_only=True)
class _Rounds:
    """What one generation knows. `clock` is the orchestration's time up to which `state.elapsed_s` counts."""

    ctx: OrchestrationContext
    state: ContainerRun
    waiter: Waiter
    clock: datetime
    phase: ContainerPhase | None = None

    def advance(self, **changes: Any) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=changes)

    @property
    def ref(self) -> ContainerRef:
        """The attempt under way."""
        return ContainerRef(run_id=self.state.run_id, role=self.state.role, attempt=self.state.attempt)


def _rounds(rounds: _Rounds) -> Story[ContainerEnd | None]:
    """Rounds of looking, acting and waiting. None when it is time to continue as new."""
    for turn in itertools.count(1):
        check = yield from _check(rounds)
        end = container_end(rounds.state, check)
        if end is not None:
            return end
        move = container_move(rounds.state, check)
        if move is ContainerMove.START:
            yield from _start(rounds)
        elif move is ContainerMove.AGAIN:
            yield from _remove(rounds)
            rounds.state = next_attempt(rounds.state)
            continue
        elif move is ContainerMove.PAUSE:
            rounds.advance(wait_s=paused_wait_s(rounds.state.policy), elapsed_s=0.0)
        length = generation_length(turn, rounds.waiter.nudges, rounds.state.policy)
        if length >= 1.5:
            yield from rounds.waiter.settle()
        if length >= 1 and not rounds.waiter.timer_open:
            break
        yield from _wait(rounds)
    return None


def _check(rounds: _Rounds) -> Story[ContainerCheck]:
    policy = rounds.state.policy
    check = yield from activity(rounds.ctx, ActivityName.CHECK_CONTAINER, rounds.ref, ContainerCheck, policy)
    now = rounds.ctx.current_utc_datetime
    rounds.advance(elapsed_s=rounds.state.elapsed_s + (now - rounds.clock).total_seconds())
    rounds.clock = now
    if rounds.phase not in (None, check.phase) or rounds.state.wait_s == 0:
        rounds.advance(wait_s=policy.poll_first_s)
    rounds.phase = check.phase
    if check.phase in (ContainerPhase.WAITING, ContainerPhase.RUNNING):
        rounds.advance(started=True)
    return check


def _start(rounds: _Rounds) -> Story[None]:
    yield from activity(rounds.ctx, ActivityName.START_CONTAINER, rounds.ref, RunRef, rounds.state.policy)
    rounds.advance(started=True, wait_s=rounds.state.policy.poll_first_s)


def _wait(rounds: _Rounds) -> Story[None]:
    nudged = yield from rounds.waiter.wait(rounds.state.wait_s)
    if not nudged:
        rounds.advance(wait_s=longer(rounds.state.wait_s, rounds.state.policy))


def _remove(rounds: _Rounds) -> Story[None]:
    """Remove the group of this attempt. A failure here is left to the clean-up of the run."""
    removal = activity(rounds.ctx, ActivityName.REMOVE_CONTAINER, rounds.ref, RunRef, rounds.state.policy)
    yield from guarded(removal, lambda _: RunRef(run_id=rounds.state.run_id))
