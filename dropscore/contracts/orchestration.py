"""Inputs and results of orchestrators and activities: references and counts, never lists."""

from enum import StrEnum

from dropscore.contracts.base import Count, RunId, Seconds, Stored
from dropscore.contracts.failures import Failure
from dropscore.contracts.names import Lane, Role
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.run import RunStatus


class RunRef(Stored):
    """Input of `score_run` and of every activity that needs no more than the run."""

    run_id: RunId


class Admission(Stored):
    """Result of `admit`: the policy and lane to go on with, or why not."""

    run_id: RunId
    lane: Lane = Lane.NORMAL
    policy: RunPolicy = RunPolicy()
    failure: Failure | None = None
    cancelled: bool = False
    ended: RunStatus | None = None
    """How the run ended already, when only its clean-up can be left."""


class StatusChange(Stored):
    """Input of `record_status`."""

    run_id: RunId
    status: RunStatus
    detail: str = ""


class ContainerRef(Stored):
    """One attempt at one container of a run. Attempts count from 1."""

    run_id: RunId
    role: Role
    attempt: Count = 1


class ContainerPhase(StrEnum):
    """What a container group is doing."""

    MISSING = "missing"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ContainerCheck(Stored):
    """Result of `check_container`.

    `product_ready` says that what the container was started for exists, whatever became of the container:
    storage is the truth.
    """

    phase: ContainerPhase
    product_ready: bool
    cancelled: bool = False
    suspended: bool = False
    """No container is to be started for the run now."""
    exit_code: int | None = None
    failure: Failure | None = None
    """A failure the container itself wrote down: permanent, not to be tried again."""
    detail: str = ""


class ContainerRun(Stored):
    """Input of the orchestrator `run_container`, also between its generations."""

    run_id: RunId
    role: Role
    policy: RunPolicy
    attempt: Count = 1
    elapsed_s: Seconds = 0.0
    """Time since this attempt began."""
    started: bool = False
    wait_s: Seconds = 0.0
    """Next polling interval; 0 begins with the policy's first."""


class ContainerEnd(Stored):
    """Result of `run_container`."""

    ok: bool
    cancelled: bool = False
    failure: Failure | None = None


class PlanTotals(Stored):
    """Result of `read_plan`."""

    shards: Count
    items: Count
    refused: Count = 0
    failure: Failure | None = None
    """Set when nothing can be scored."""


class Enqueue(Stored):
    """Input of `enqueue_shards`: from this shard on, as many as fit in the activity's time."""

    run_id: RunId
    lane: Lane
    next_shard: Count
    shards: Count


class Enqueued(Stored):
    """Result of `enqueue_shards`: where to go on."""

    next_shard: Count


class WorkersWanted(Stored):
    """Input of `ensure_workers`. `round` makes the task ids of one call its own, so a repeated call adds none.

    It is the orchestration's time in seconds, and so differs also between a run and the same run restarted.
    """

    run_id: RunId
    wanted: Count
    round: Count


class WorkersSeen(Stored):
    """Result of `ensure_workers`."""

    running: Count
    waiting: Count
    detail: str = ""


class CountVerdicts(Stored):
    """Input of `count_verdicts`: all shards before `settled_before` are known to be settled."""

    run_id: RunId
    settled_before: Count
    items_before: Count
    failed_before: Count
    worker_s_before: Seconds = 0.0
    shards: Count
    settled: Count = 0
    """Settled shards at the last call: the run's state is written again only when this changes."""
    lane: Lane | None = None
    """Set to have the lane's queue looked at too, which costs a request."""


class VerdictCount(Stored):
    """Result of `count_verdicts`: totals, and the cursor for the next call."""

    settled: Count
    items_done: Count
    items_failed: Count
    settled_before: Count
    items_before: Count
    failed_before: Count
    worker_s: Seconds = 0.0
    """Seconds in which workers scored what is settled."""
    worker_s_before: Seconds = 0.0
    cancelled: bool = False
    suspended: bool = False
    """Nothing new is to be begun for the run now."""
    queue_empty: bool = False
    """The lane was looked at and holds no message, leased ones included."""


class Requeue(Stored):
    """Input of `requeue_missing`: from `next_shard` on, as many as fit in the activity's time."""

    run_id: RunId
    lane: Lane
    settled_before: Count
    shards: Count
    generation: Count
    next_shard: Count = 0
    trust_queue: bool = True
    """Whether as many messages on the lane as shards are missing may count as theirs; not after a suspension, in which
    workers have dropped them."""


class Requeued(Stored):
    """Result of `requeue_missing`: how many were put on the queue, and where to go on."""

    shards: Count
    next_shard: Count = 0


class ScoreShards(Stored):
    """Input of the orchestrator `score_shards`, also between its generations."""

    run_id: RunId
    lane: Lane
    policy: RunPolicy
    shards: Count
    items: Count
    next_shard: Count = 0
    settled: Count = 0
    settled_before: Count = 0
    items_before: Count = 0
    failed_before: Count = 0
    worker_s_before: Seconds = 0.0
    quiet_s: Seconds = 0.0
    """Time since the last new verdict, or since the last stall."""
    elapsed_s: Seconds = 0.0
    stalls: Count = 0
    """Stalls since the last new verdict."""
    rounds: Count = 0
    """Times that missing shards were put on the queue again."""
    wait_s: Seconds = 0.0
    """Next polling interval; 0 begins with the policy's first."""
    unlooked_s: Seconds = 0.0
    """Time since the workers were looked after."""
    look_s: Seconds = 0.0
    """The workers are looked after once it has been quiet for this long; 0 means now."""
    suspended: bool = False
    """Whether the run was suspended at the last look: such time counts neither as quiet nor towards the deadline."""


class ScoreEnd(Stored):
    """Result of `score_shards`."""

    items_done: Count
    items_failed: Count
    cancelled: bool = False
    failure: Failure | None = None


class CleanUp(Stored):
    """Input of `clean_up`, one bounded step at a time: called again until it says it is done."""

    run_id: RunId
    lane: Lane
    status: RunStatus


class CleanedUp(Stored):
    """Result of `clean_up`."""

    done: bool
    detail: str = ""


class Finish(Stored):
    """Input of `finish`: how the run ended."""

    run_id: RunId
    status: RunStatus
    failure: Failure | None = None


class RunEnd(Stored):
    """Result of `finish` and of `score_run`."""

    run_id: RunId
    status: RunStatus
    failure: Failure | None = None
    coverage: float = 0.0
