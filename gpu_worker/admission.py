"""The first steps with a leased shard: what does it belong to, and is it to be scored at all?"""

from collections.abc import Callable

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.runs import CancelMarks, RunContext, Runs
from gpu_worker.verdicts import Verdicts


class Admission:
    """Looks at a shard before any work is done on it. `lease_seen` is told the lease that its run asks for."""

    def __init__(
        self, runs: Runs, marks: CancelMarks, verdicts: Verdicts, *, lease_seen: Callable[[float], None]
    ) -> None:
        self._runs = runs
        self._marks = marks
        self._verdicts = verdicts
        self._lease_seen = lease_seen

    def __call__(self, job: Job) -> RunContext:
        """The run of a shard.

        Raises `StoppedError` when the run was cancelled or the shard is settled already, and `FailedError`
        (E-SHARD-POISON) when it was delivered more often than its run allows: its workers did not live to say why.
        """
        context = self._runs.context(job.run_id)
        job.context = context
        policy = context.run.policy
        self._lease_seen(policy.lease_s)
        if policy.lease_s != job.lease.lease_s:
            job.lease.extend(policy.lease_s)
        if self._marks.cancelled(job.run_id):
            raise StoppedError(Stop.CANCELLED)
        deliveries = job.lease.message.dequeue_count
        again = deliveries > 1 or job.message.generation > 0
        if again and self._verdicts.exists(job.run_id, job.shard_id):
            raise StoppedError(Stop.SETTLED)
        if deliveries > policy.shard_attempts:
            raise FailedError.of(
                Code.SHARD_POISON,
                f"the shard was delivered {policy.shard_attempts} times and never settled: it ends its workers",
                shard_id=job.shard_id,
            )
        return context
