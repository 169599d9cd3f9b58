"""Evaluating autoscale formulas, at the emulator's own short interval."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from localcloud.batch.autoscale.formula import Formula, Targets, compile_formula
from localcloud.batch.autoscale.samples import History, Sampling
from localcloud.batch.autoscale.values import EvaluationError
from localcloud.batch.engine.allocation import Allocator
from localcloud.batch.engine.context import Context
from localcloud.batch.engine.placement import is_ready
from localcloud.batch.state.account import Account
from localcloud.batch.state.job import ENDED, JobState
from localcloud.batch.state.node import USABLE, NodeState
from localcloud.batch.state.pool import Allocation, Pool, PoolState
from localcloud.batch.state.task import Task, TaskState
from localcloud.batch.views.pools import AutoScaleRun

_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Scaled:
    """What is remembered of a pool with a formula."""

    history: History
    text: str
    formula: Formula
    due: datetime
    run: AutoScaleRun | None = None


class Scaling:
    """Samples and evaluates the pools that have a formula."""

    def __init__(self, context: Context, allocator: Allocator) -> None:
        self._context = context
        self._allocator = allocator
        self._interval = context.settings.autoscale_interval
        self._scaled: dict[str, _Scaled] = {}
        self._random = Random(0)

    def last_run(self, pool: Pool) -> AutoScaleRun | None:
        """The last evaluation of a pool's formula; None before the first since the emulator started."""
        scaled = self._scaled.get(pool.id.lower())
        return scaled.run if scaled else None

    def advance(self, now: datetime) -> datetime | None:
        """Evaluate what is due. Returns when the next evaluation falls due."""
        pools = [pool for pool in self._context.account.pools if pool.autoscale and pool.state is PoolState.ACTIVE]
        self._forget_all_but({pool.id.lower() for pool in pools})
        return min((self._advance(pool, now) for pool in pools), default=None)

    def evaluate(self, pool: Pool, text: str) -> AutoScaleRun:
        """Evaluate any formula on a pool's samples without changing the pool. Raises FormulaSyntaxError."""
        formula = compile_formula(text)
        now = self._context.clock.now()
        scaled = self._scaled.get(pool.id.lower())
        history = scaled.history if scaled else self._new_history(now)
        if not len(history):
            history.add(self._sample(pool, now))
        return self._evaluate(pool, formula, history, now)[0]

    def _advance(self, pool: Pool, now: datetime) -> datetime:
        scaled = self._prepared(pool, now)
        if now >= scaled.due:
            scaled.due = now + self._interval
            scaled.history.add(self._sample(pool, now))
            last_error = scaled.run.error if scaled.run else None
            scaled.run, targets = self._evaluate(pool, scaled.formula, scaled.history, now)
            if scaled.run.error and scaled.run.error != last_error:
                _logger.warning(
                    "A pool's formula gave no result.", extra={"pool": pool.id, "error": scaled.run.error[1]}
                )
            if targets is not None:
                self._apply(pool, targets)
        return scaled.due

    def _prepared(self, pool: Pool, now: datetime) -> _Scaled:
        assert pool.autoscale is not None  # `advance` asks only for pools that have a formula
        text = pool.autoscale.formula
        scaled = self._scaled.get(pool.id.lower())
        if scaled is None:
            scaled = _Scaled(history=self._new_history(now), text=text, formula=compile_formula(text), due=now)
            self._scaled[pool.id.lower()] = scaled
        elif scaled.text != text:
            scaled.text, scaled.formula, scaled.due = text, compile_formula(text), now
        return scaled

    def _new_history(self, now: datetime) -> History:
        return History(period=self._interval, begun_at=now)

    def _evaluate(
        self, pool: Pool, formula: Formula, history: History, now: datetime
    ) -> tuple[AutoScaleRun, Targets | None]:
        try:
            outcome = formula.evaluate(pool.targets, history, now=now, random=self._random)
        except EvaluationError as error:
            return AutoScaleRun(at=now, error=("AutoScalingFormulaEvaluationError", str(error))), None
        return AutoScaleRun(at=now, results=outcome.results), outcome.targets

    def _apply(self, pool: Pool, targets: Targets) -> None:
        moved = replace(targets, option=pool.targets.option) != pool.targets
        if moved or (pool.allocation is Allocation.STEADY and self._allocator.short_of(pool)):
            self._allocator.resize(pool, targets)

    def _forget_all_but(self, names: set[str]) -> None:
        for name in set(self._scaled) - names:
            del self._scaled[name]

    def _sample(self, pool: Pool, now: datetime) -> Sampling:
        jobs = self._context.account.jobs_of(pool.id)
        counts = [self._context.account.tasks.counts(job.id) for job in jobs]
        nodes = self._context.account.nodes_of(pool.id)
        active = sum(self._ready(job.id) for job in jobs if job.state not in ENDED | {JobState.DISABLED})
        running = sum(count.running for count in counts)
        return Sampling(
            at=now,
            active_tasks=active,
            running_tasks=running,
            pending_tasks=active + running,
            succeeded_tasks=sum(count.succeeded for count in counts),
            failed_tasks=sum(count.failed for count in counts),
            task_slots_per_node=pool.slots_per_node,
            current_dedicated_nodes=sum(node.dedicated for node in nodes),
            current_low_priority_nodes=sum(not node.dedicated for node in nodes),
            preempted_nodes=sum(node.state is NodeState.PREEMPTED for node in nodes),
            usable_nodes=sum(node.state in USABLE for node in nodes),
        )

    def _ready(self, job_id: str) -> int:
        find = finder(self._context.account, job_id)
        return sum(is_ready(task, find) for task in self._context.account.tasks.in_state(job_id, TaskState.ACTIVE))


def finder(account: Account, job_id: str) -> Callable[[str], Task | None]:
    """Finds tasks of one job by id."""
    return lambda task_id: account.tasks.get(job_id, task_id)
