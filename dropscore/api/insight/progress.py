"""What a run's document tells of its progress and cost. Pure."""

from dataclasses import dataclass

from dropscore.api.insight.boards import Board
from dropscore.api.insight.pace import Pace, pace
from dropscore.cloud.api_settings import Price
from dropscore.contracts.http.runs import Cost, Progress
from dropscore.contracts.run import RunState, RunStatus

SCORING = (RunStatus.PROVISIONING, RunStatus.SCORING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of a run besides its state."""

    progress: Progress | None
    cost: Cost | None = None


def caught_up(state: RunState, board: Board) -> RunState:
    """The state with what is settled since the run's orchestration looked last."""
    if state.status not in SCORING:
        return state
    fresher = {
        "items_done": max(state.items_done, board.items_done),
        "items_failed": max(state.items_failed, board.items_failed),
        "shards_settled": max(state.shards_settled, board.settled),
    }
    return state.model_copy(update=fresher)


def progress_of(state: RunState, at_pace: Pace | None = None) -> Progress | None:
    """The progress of a run; None before it is planned."""
    if not state.items_total:
        return None
    told = at_pace or Pace()
    settled = min(state.items_total, state.items_done + state.items_failed)
    return Progress(
        items_total=state.items_total,
        items_done=state.items_done,
        items_failed=state.items_failed,
        percent=round(100 * settled / state.items_total, 2),
        rate_per_s=told.rate_per_s,
        eta_s=told.eta_s,
    )


def pace_of(state: RunState, board: Board, now: str) -> Pace:
    """The pace of a run that is being scored; that of any other is not told."""
    if state.status not in SCORING or state.suspended_at is not None or not state.items_total:
        return Pace()
    left = max(0, state.items_total - state.items_done - state.items_failed)
    return pace(board.steps, left=left, now=now)


def cost_of(worker_s: float, price: Price | None) -> Cost:
    """What a run has cost so far; in money, as an estimate, where a price is known."""
    if price is None:
        return Cost(worker_s=worker_s)
    return Cost(
        worker_s=worker_s,
        price_per_hour=price.per_hour,
        currency=price.currency,
        estimate=round(worker_s / 3600 * price.per_hour, 6),
    )
