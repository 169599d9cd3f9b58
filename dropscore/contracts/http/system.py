"""What the API tells of the deployment: workloads, health, the sweep, and messages that nobody could read."""

from dropscore.contracts.base import Contract, Count, Json
from dropscore.contracts.http.problems import ProblemError
from dropscore.contracts.sweep import SweepReport


class WorkloadDocument(Contract):
    """One kind of scoring. `options` is the JSON Schema of its options."""

    name: str
    title: str
    input_kinds: tuple[str, ...]
    """Suffixes of the files it reads, such as `.mp4`."""
    default_model: str | None
    lanes: tuple[str, ...]
    options: dict[str, Json]


class WorkloadList(Contract):
    """Everything that can be scored."""

    workloads: tuple[WorkloadDocument, ...]


class Health(Contract):
    """That storage answers."""

    status: str
    version: str


class LastSweep(Contract):
    """The last sweep; null when there was none."""

    sweep: SweepReport | None
    under_way: bool = False
    """Whether another host is sweeping now, so that this is the sweep before."""


class WhyNot(Contract):
    """Why something cannot be done."""

    code: str
    message: str


class PoisonMessage(Contract):
    """A message of a poison queue, and whether it could be sent again."""

    schema_version: int = 1
    id: str
    queue: str
    """Where it was found."""
    reason: str
    body: str
    body_bytes: Count
    worker: str
    at: str
    retry: bool
    why_not: WhyNot | None


class PoisonQueue(Contract):
    """A poison queue with its next messages."""

    queue: str
    source: str
    depth: Count
    messages: tuple[PoisonMessage, ...]


class PoisonQueues(Contract):
    """Every poison queue."""

    queues: tuple[PoisonQueue, ...]


class PoisonHandled(Contract):
    """What became of one message."""

    queue: str
    id: str
    dropped: bool = False
    sent: bool = False


class PoisonsHandled(Contract):
    """What became of several messages of a queue."""

    done: Count
    refused: Count
    why_not: tuple[ProblemError, ...]
    left: Count
