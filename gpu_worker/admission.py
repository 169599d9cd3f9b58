"""The first steps with a leased shard: what does it belong to, and is it to be scored at all?"""

from collections.abc import Callable, Sequence

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.request import RunPolicy
from gpu_worker.deaths import apart, guilt, needs_solitude
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.pieces import Pieces
from gpu_worker.runs import CancelMarks, RunContext, Runs


class Admission:
    """Looks at a shard before any work is done on it. `noted` is told the lease that its run asks for."""

    def __init__(self, runs: Runs, marks: CancelMarks, pieces: Pieces, *, noted: Callable[[float], object]) -> None:
        self._runs = runs
        self._marks = marks
        self._pieces = pieces
        self._noted = noted

    def __call__(self, job: Job) -> RunContext:
        """The run of a shard.

        Raises `StoppedError` when the run was cancelled or the shard is settled or divided already, and `FailedError`
        when it ended its workers (E-SHARD-POISON, E-ITEM-DEADLINE), by the records they left, or because it was
        delivered too often without anybody telling what became of it.
        """
        context = self._runs.context(job.run_id)
        job.context = context
        policy = context.run.policy
        self._noted(policy.lease_s)
        if policy.lease_s != job.lease.lease_s:
            job.lease.extend(policy.lease_s)
        if self._marks.cancelled(job.run_id):
            raise StoppedError(Stop.CANCELLED)
        if self._marks.suspended(job.run_id):
            raise StoppedError(Stop.SUSPENDED)
        if job.lease.message.dequeue_count > 1 or job.lease.tried or job.message.generation > 0:
            self._look_back(job, policy)
        return context

    def _look_back(self, job: Job, policy: RunPolicy) -> None:
        """What earlier tries came to. A piece whose message comes for the first time has had none of its own: one that
        was sent twice is scored twice, and the first verdict stands. What was cut off beside the items that failed has
        had no try that says anything of it. Of a piece that is scored where it was cut off all is known.
        """
        if job.family is None:
            again = job.lease.message.dequeue_count > 1 or job.lease.tried
            if not again and not job.message.suspected:
                return
            job.attempts = self._pieces.attempts.on(job.message)
            if (again or job.message.piece is None) and not job.lease.interrupted:
                self._require_unsettled(job, job.attempts)
            self._require_known_end(job, policy, job.attempts)
        self._require_innocence(job, policy, job.attempts)
        job.alone = needs_solitude(job.attempts)
        job.apart = apart(job.message.range, job.attempts)
        job.one_by_one = job.message.piece is not None and any(one.death for one in job.attempts)

    def _require_unsettled(self, job: Job, attempts: Sequence[Attempt]) -> None:
        """Nobody has settled or divided it. Whoever had the delivery before this has not settled it when its failure is
        on record, but may have divided it since.
        """
        asked, before = job.message.range, job.lease.message.dequeue_count - 1
        if asked.items > 1 and self._pieces.divided(job.message):  # whose sum may be there already: that is seen later
            raise StoppedError(Stop.DIVIDED)
        if job.lease.tried or not any(one.range == asked and one.delivery == before for one in attempts):
            whole = job.message.model_copy(update={"piece": None})
            if self._pieces.settled(job.message) or (job.message.piece is not None and self._pieces.settled(whole)):
                raise StoppedError(Stop.SETTLED)

    def _require_innocence(self, job: Job, policy: RunPolicy, attempts: Sequence[Attempt]) -> None:
        """It is given up when its workers ended with it too often."""
        found = guilt(job.message.range, attempts, deaths=policy.deaths)
        if found is None:
            return
        job.judged, error = True, FailedError(found.failure)
        if found.suspects is not None:
            job.blame(error, found.suspects)
        raise error

    def _require_known_end(self, job: Job, policy: RunPolicy, attempts: Sequence[Attempt]) -> None:
        """Workers that failed, or whose keeper outlived them, left a record; more that left none ended with it."""
        recorded = [one for one in attempts if one.range == job.message.range]
        unexplained = job.lease.message.dequeue_count - len(recorded)
        if unexplained <= policy.shard_attempts:
            return
        error = FailedError.of(
            Code.SHARD_POISON,
            f"it was delivered {unexplained - 1} times and never settled: it ends its workers",
            shard_id=job.shard_id,
        )
        job.blame(error, ())
        raise error
