"""Names that never change: they are written into durable histories, bindings, queues and dashboards.

Renaming one means adding a new member beside the old one.
"""

from enum import StrEnum


class OrchestratorName(StrEnum):
    """The deterministic stories of `orchestrations/`."""

    SCORE_RUN = "score_run"
    RUN_CONTAINER = "run_container"
    SCORE_SHARDS = "score_shards"


class ActivityName(StrEnum):
    """The outside steps of `activities/`: methods of these names."""

    ADMIT = "admit"
    RECORD_STATUS = "record_status"
    START_CONTAINER = "start_container"
    CHECK_CONTAINER = "check_container"
    REMOVE_CONTAINER = "remove_container"
    READ_PLAN = "read_plan"
    ENQUEUE_SHARDS = "enqueue_shards"
    ENSURE_WORKERS = "ensure_workers"
    COUNT_VERDICTS = "count_verdicts"
    REQUEUE_MISSING = "requeue_missing"
    CLEAN_UP = "clean_up"
    FINISH = "finish"


class EventName(StrEnum):
    """External events an orchestration listens to."""

    NUDGE = "nudge"
    """Something about the run changed: look again. Losing or doubling it changes nothing."""


class Account(StrEnum):
    """The two storage accounts: what users may touch, and what they never may."""

    DATA = "data"
    SYSTEM = "system"


class ContainerName(StrEnum):
    """Blob containers."""

    TRIGGERS = "triggers"
    REJECTED = "rejected"
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    MODELS = "models"
    RUNS = "runs"
    LOGS = "logs"

    @property
    def account(self) -> Account:
        """The storage account that holds this container."""
        return Account.DATA if self in _DATA_CONTAINERS else Account.SYSTEM


_DATA_CONTAINERS = frozenset(
    {ContainerName.TRIGGERS, ContainerName.REJECTED, ContainerName.INPUTS, ContainerName.OUTPUTS}
)


class Lane(StrEnum):
    """A queue of shards. Workers look at urgent first, at every shard."""

    URGENT = "urgent"
    NORMAL = "normal"
    OFFPEAK = "offpeak"


class QueueName(StrEnum):
    """Queues of the system account, but for the last two, which the Functions host keeps beside the triggers."""

    SHARDS_URGENT = "shards-urgent"
    SHARDS_NORMAL = "shards-normal"
    SHARDS_OFFPEAK = "shards-offpeak"
    SHARDS_URGENT_POISON = "shards-urgent-poison"
    SHARDS_NORMAL_POISON = "shards-normal-poison"
    SHARDS_OFFPEAK_POISON = "shards-offpeak-poison"
    RUN_EVENTS = "run-events"
    RUN_EVENTS_POISON = "run-events-poison"
    WEBHOOKS = "webhooks"
    """What happened to runs, and to whom it is to be told."""
    WEBHOOKS_POISON = "webhooks-poison"
    """Also what no receiver took, after the last try."""
    BLOB_TRIGGER_POISON = "webjobs-blobtrigger-poison"
    """Triggers that the host has given up. A function takes them off and writes to `rejected/`."""
    BLOB_TRIGGER_POISON_POISON = "webjobs-blobtrigger-poison-poison"
    """What that function cannot read; the host itself uses this name too."""

    @property
    def account(self) -> Account:
        """The storage account that holds this queue."""
        of_data = (QueueName.BLOB_TRIGGER_POISON, QueueName.BLOB_TRIGGER_POISON_POISON)
        return Account.DATA if self in of_data else Account.SYSTEM


LANE_QUEUES = {
    Lane.URGENT: QueueName.SHARDS_URGENT,
    Lane.NORMAL: QueueName.SHARDS_NORMAL,
    Lane.OFFPEAK: QueueName.SHARDS_OFFPEAK,
}
"""The queue of each lane, in the order in which workers look at them."""

POISON_QUEUES = {
    QueueName.SHARDS_URGENT: QueueName.SHARDS_URGENT_POISON,
    QueueName.SHARDS_NORMAL: QueueName.SHARDS_NORMAL_POISON,
    QueueName.SHARDS_OFFPEAK: QueueName.SHARDS_OFFPEAK_POISON,
    QueueName.RUN_EVENTS: QueueName.RUN_EVENTS_POISON,
    QueueName.WEBHOOKS: QueueName.WEBHOOKS_POISON,
    QueueName.BLOB_TRIGGER_POISON: QueueName.BLOB_TRIGGER_POISON_POISON,
}
"""Where the malformed messages of a queue go."""


class Role(StrEnum):
    """What a container group does for a run: a command of `cpu_worker`."""

    PLAN = "plan"
    STITCH = "stitch"
