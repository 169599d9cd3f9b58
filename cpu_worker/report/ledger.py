"""What the verdicts of a run add up to."""

import heapq
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dropscore.contracts.failures import Failure
from dropscore.contracts.item_table import STEPS, step_seconds, total_seconds
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.report import (
    MAX_REPORT_ITEMS,
    MAX_REPORT_SHARDS,
    SLOWEST_ITEMS,
    ShardLine,
    StepFigures,
    WorkerLine,
)
from dropscore.contracts.verdict import ItemTiming, Verdict, WorkerFacts

MAX_FAILURES: Final = 1000
"""Failures named in a report; quarantine has them all."""
MAX_DETAILS: Final = 20
"""Failures whose detail, such as a traceback, stands in a report."""


@dataclass(slots=True, kw_only=True)
class _WorkerTally:
    facts: WorkerFacts
    shards: int = 0
    items: int = 0
    busy_s: float = 0.0
    model_loads: int = 0


class Ledger:
    """Adds up verdicts as they are read, each shard once and in order; keeps no verdict.

    A million items cost 56 MB here: seven doubles each.
    """

    def __init__(self, created_at: str) -> None:
        self.shards: list[ShardLine] = []
        self.items: list[ItemTiming] = []
        self.failures: list[Failure] = []
        self.items_failed = 0
        self.items_kept = 0
        """Items whose result is another run's."""
        self.retries = 0
        self.worker_s = 0.0
        self.items_timed = 0
        self._created = datetime.fromisoformat(created_at)
        self._seconds = {step: array("d") for step in STEPS}
        self._slowest: list[tuple[float, int, ItemTiming]] = []
        self._workers: dict[str, _WorkerTally] = {}

    def add(self, shard: ShardSpec, verdict: Verdict) -> None:
        """Count one shard."""
        self.items_failed += verdict.items_failed
        self.items_kept += verdict.items_kept
        if verdict.scored_for is not None:
            return  # its time and its retries are on the receipt of that run
        self.retries += max(0, verdict.attempt - 1)
        self.worker_s += verdict.duration_s
        for failure in (verdict.failure, *(piece.failure for piece in verdict.pieces)):
            if failure is not None:
                self._name(failure)
        if len(self.shards) < MAX_REPORT_SHARDS:
            self.shards.append(self._line(shard, verdict))
        self._tally(verdict)
        for timing in verdict.items:
            self._time(timing)

    @property
    def slowest(self) -> tuple[ItemTiming, ...]:
        """The items that took longest, worst first; of equals the earlier."""
        return tuple(timing for _, _, timing in sorted(self._slowest, reverse=True))

    @property
    def workers(self) -> tuple[WorkerLine, ...]:
        """What each worker did, by name."""
        return tuple(_worker_line(self._workers[name]) for name in sorted(self._workers))

    def steps(self) -> tuple[StepFigures, ...]:
        """Figures over all timed items for each step that took any time."""
        return tuple(_figures(step, self._seconds[step]) for step in STEPS if any(self._seconds[step]))

    def _line(self, shard: ShardSpec, verdict: Verdict) -> ShardLine:
        started = datetime.fromisoformat(verdict.started_at)
        return ShardLine(
            shard_id=shard.shard_id,
            first_item=shard.first_item,
            items=shard.items,
            outcome=verdict.outcome,
            attempt=verdict.attempt,
            worker=verdict.worker.worker,
            start_s=max(0.0, (started - self._created).total_seconds()),
            duration_s=verdict.duration_s,
            upload_s=verdict.upload_s,
            model_load_s=verdict.model_load_s,
        )

    def _name(self, failure: Failure) -> None:
        if len(self.failures) < MAX_FAILURES:
            bare = len(self.failures) >= MAX_DETAILS
            self.failures.append(failure.model_copy(update={"detail": None}) if bare else failure)

    def _tally(self, verdict: Verdict) -> None:
        name = verdict.worker.worker
        tally = self._workers.setdefault(name, _WorkerTally(facts=verdict.worker))
        tally.shards += 1
        tally.items += verdict.items_done
        tally.busy_s += verdict.duration_s
        tally.model_loads += verdict.model_load_s > 0

    def _time(self, timing: ItemTiming) -> None:
        self.items_timed += 1
        for step, seconds in zip(STEPS, step_seconds(timing), strict=True):
            self._seconds[step].append(seconds)
        if len(self.items) < MAX_REPORT_ITEMS:
            self.items.append(timing)
        entry = (total_seconds(timing), -timing.item, timing)
        if len(self._slowest) < SLOWEST_ITEMS:
            heapq.heappush(self._slowest, entry)
        elif entry[:2] > self._slowest[0][:2]:
            heapq.heapreplace(self._slowest, entry)


def _worker_line(tally: _WorkerTally) -> WorkerLine:
    return WorkerLine(
        worker=tally.facts.worker,
        device=tally.facts.device,
        shards=tally.shards,
        items=tally.items,
        busy_s=tally.busy_s,
        model_loads=tally.model_loads,
        code_version=tally.facts.code_version,
        torch_version=tally.facts.torch_version,
        precision=tally.facts.precision,
        memory_format=tally.facts.memory_format,
    )


def _figures(step: str, seconds: Sequence[float]) -> StepFigures:
    ordered = sorted(seconds)
    total_s = sum(ordered)
    return StepFigures(
        step=step,
        total_s=total_s,
        mean_s=total_s / len(ordered),
        median_s=_share_below(ordered, 0.5),
        p95_s=_share_below(ordered, 0.95),
        most_s=ordered[-1],
    )


def _share_below(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank)."""
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]
