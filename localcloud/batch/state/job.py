"""Jobs and their states."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from localcloud.batch.bodies.jobs import AllTasksComplete, DisableOption, JobBody, TaskFailureMode
from localcloud.batch.state.stamps import later
from localcloud.batch.state.task import add_capped


class JobState(StrEnum):
    """Where a job stands."""

    ACTIVE = "active"
    DISABLING = "disabling"
    DISABLED = "disabled"
    ENABLING = "enabling"
    TERMINATING = "terminating"
    COMPLETED = "completed"
    DELETING = "deleting"


ENDED = frozenset({JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING})
"""States in which no task starts or is added any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. `forced`: its tasks are ended without grace."""

    body: JobBody
    created_at: datetime
    modified_at: datetime
    state_at: datetime
    state: JobState = JobState.ACTIVE
    previous_state: JobState | None = None
    previous_state_at: datetime | None = None
    ended_at: datetime | None = None
    terminate_reason: str | None = None
    disable_option: DisableOption | None = None
    forced: bool = False

    @property
    def id(self) -> str:
        return self.body.id

    @property
    def pool_id(self) -> str:
        return self.body.pool_info.pool_id or ""

    @property
    def priority(self) -> int:
        return self.body.priority or 0

    @property
    def ends_when_tasks_do(self) -> bool:
        return self.body.on_all_tasks_complete is AllTasksComplete.TERMINATE_JOB

    @property
    def heeds_exit_options(self) -> bool:
        return self.body.on_task_failure is TaskFailureMode.PERFORM_EXIT_OPTIONS

    @property
    def deadline(self) -> datetime | None:
        """When its time is up; None without a limit."""
        limit = self.body.constraints.max_wall_clock_time if self.body.constraints else None
        return None if limit is None else add_capped(self.created_at, limit)

    def moved(self, at: datetime, state: JobState) -> "Job":
        """In another state."""
        at = later(at, self.modified_at)
        return replace(
            self,
            state=state,
            state_at=at,
            modified_at=at,
            previous_state=self.state,
            previous_state_at=self.state_at,
        )

    def terminating(self, at: datetime, reason: str, *, forced: bool = False) -> "Job":
        """About to complete, for this reason."""
        return replace(self.moved(at, JobState.TERMINATING), terminate_reason=reason, forced=forced)

    def completed(self, at: datetime) -> "Job":
        """Complete."""
        return replace(self.moved(at, JobState.COMPLETED), ended_at=at)

    def disabling(self, at: datetime, option: DisableOption) -> "Job":
        """About to be disabled."""
        return replace(self.moved(at, JobState.DISABLING), disable_option=option)

    def changed(self, at: datetime, body: JobBody) -> "Job":
        """With other settings."""
        return replace(self, body=body, modified_at=later(at, self.modified_at))
