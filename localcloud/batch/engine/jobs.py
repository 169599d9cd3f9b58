"""Jobs on their way: disabling, terminating, deleting, and the ends that come by themselves."""

from collections.abc import Callable
from datetime import datetime

from localcloud.batch.bodies.jobs import DisableOption
from localcloud.batch.bodies.tasks import JobAction
from localcloud.batch.engine.attempts import Attempts, Ending
from localcloud.batch.engine.context import Context
from localcloud.batch.state.job import Job, JobState
from localcloud.batch.state.task import Task, exit_options

ALL_TASKS_COMPLETE, TASK_FAILED, TIME_LIMIT = "AllTasksComplete", "TaskFailed", "MaxWallClockTimeExpiry"


class JobRules:
    """Decides and carries out what happens to jobs."""

    def __init__(self, context: Context, attempts: Attempts) -> None:
        self._context = context
        self._attempts = attempts
        self._steps: dict[JobState, Callable[[Job], object]] = {
            JobState.DISABLING: self._disable,
            JobState.ENABLING: lambda job: self._put(job.moved(self._context.clock.now(), JobState.ACTIVE)),
            JobState.TERMINATING: self._terminate,
            JobState.DELETING: self._delete,
        }

    def advance(self, now: datetime) -> datetime | None:
        """Do what is due for all jobs. Returns when something falls due next."""
        due = [at for job in self._context.account.jobs if (at := self._advance(job, now)) is not None]
        return min(due, default=None)

    def task_completed(self, task: Task) -> None:
        """Let the end of a task act on its job, if the job heeds that."""
        job = self._context.account.jobs.get(task.job_id)
        if job is None or not job.heeds_exit_options or job.state is not JobState.ACTIVE:
            return
        action = job_action(task)
        if action is JobAction.TERMINATE:
            self._put(job.terminating(self._context.clock.now(), TASK_FAILED))
        elif action is JobAction.DISABLE:
            self._put(job.disabling(self._context.clock.now(), DisableOption.REQUEUE))

    def remove_files(self, task: Task) -> None:
        """Remove a task's folder, wherever it ran last."""
        if task.placement:
            place = task.placement
            self._context.folders.drop_task(
                self._context.folders.task(place.pool_id, place.node_id, task.job_id, task.id)
            )

    def _advance(self, job: Job, now: datetime) -> datetime | None:
        if step := self._steps.get(job.state):
            step(job)
            return None
        if job.state is JobState.COMPLETED:
            return None
        if job.ends_when_tasks_do and job.state is JobState.ACTIVE and self._all_complete(job):
            self._terminate(self._put(job.terminating(now, ALL_TASKS_COMPLETE)))
            return None
        if job.deadline is not None and now >= job.deadline:
            self._terminate(self._put(job.terminating(now, TIME_LIMIT)))
            return None
        return job.deadline

    def _all_complete(self, job: Job) -> bool:
        counts = self._context.account.tasks.counts(job.id)
        return counts.active == counts.running == 0

    def _disable(self, job: Job) -> None:
        attempts = self._attempts.of_job(job.id)
        if job.disable_option is not DisableOption.WAIT:
            requeue = job.disable_option is DisableOption.REQUEUE
            self._attempts.end(attempts, Ending.REQUEUE if requeue else Ending.TERMINATE)
        if not attempts:
            self._put(job.moved(self._context.clock.now(), JobState.DISABLED))

    def _terminate(self, job: Job) -> None:
        attempts = self._attempts.of_job(job.id)
        self._attempts.end(attempts, Ending.TERMINATE, grace_s=0 if job.forced else None)
        if not attempts:
            self._put(job.completed(self._context.clock.now()))

    def _delete(self, job: Job) -> None:
        attempts = self._attempts.of_job(job.id)
        self._attempts.end(attempts, Ending.DROP, grace_s=0 if job.forced else None)
        if attempts:
            return
        with self._context.account.documents.together():
            for task in self._context.account.tasks.of(job.id):
                self.remove_files(task)
                self._context.account.tasks.remove(task)
            self._context.account.jobs.remove(job)
        self._context.ledger.note("job", job.id, "deleted")

    def _put(self, job: Job) -> Job:
        self._context.ledger.note("job", job.id, job.state.value, reason=job.terminate_reason)
        return self._context.account.jobs.put(job)


def job_action(task: Task) -> JobAction:
    """What a completed task's end does to a job that heeds it: terminate for any failure, unless said otherwise."""
    options = exit_options(task)
    if options is not None and options.job_action is not None:
        return options.job_action
    return JobAction.NONE if task.succeeded else JobAction.TERMINATE
