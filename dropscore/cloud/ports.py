"""What dropscore needs from a cloud, as protocols.

Every method raises `TransientCloudError` when a service did not answer and `PermanentCloudError` (or a subclass)
when it refused. "Already so" is success: creating what exists, deleting what is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dropscore.cloud.links import BlobLinks
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account, QueueName
from dropscore.contracts.orchestration import ContainerPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """Properties of a blob. `etag` is without quotes; `modified_at` is UTC ISO 8601."""

    path: BlobPath
    etag: str
    size_bytes: int
    modified_at: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob's bytes and the version they belong to."""

    data: bytes
    etag: str


class BlobStore(Protocol):
    """Blobs of both storage accounts; the container of a path fixes the account."""

    def put(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> str:
        """Write a whole blob, replacing what is there, and return its ETag.

        With `if_match`, raises `PreconditionError` unless the blob still has that ETag.
        """

    def create(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Write a blob only if there is none (`If-None-Match: *`).

        Returns False when one exists. A lost answer to our own successful write is recognised by reading the
        blob back: the same bytes count as ours, and give True.
        """

    def get(self, path: BlobPath, *, if_match: str | None = None) -> Blob:
        """Read a whole blob. Raises `NotFoundError`; `PreconditionError` when `if_match` no longer holds."""

    def get_range(self, path: BlobPath, offset: int, length: int, *, if_match: str | None = None) -> bytes:
        """Read `length` bytes from `offset` (fewer at the end of the blob)."""

    def head(self, path: BlobPath) -> BlobInfo | None:
        """Properties of a blob, or None when there is none."""

    def list(
        self, prefix: BlobPath, *, start_from: str | None = None, with_metadata: bool = False
    ) -> Iterator[BlobInfo]:
        """Blobs whose name begins with `prefix.name`, by name; from `start_from` (a full name) on if given."""

    def upload(self, path: BlobPath, source: "ReadableFile", *, content_type: str = "application/octet-stream") -> str:
        """Write a blob from a file, from where it stands to its end, and return its ETag. Large ones go in blocks
        sent side by side.
        """

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        """Copy a blob inside one account, on the service's side."""

    def delete(self, path: BlobPath) -> bool:
        """Delete a blob; False when there was none."""


class ReadableFile(Protocol):
    """A seekable binary file."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """A leased message. `dequeue_count` counts deliveries, this one included, from 1."""

    queue: QueueName
    message_id: str
    receipt: str
    body: bytes
    dequeue_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeekedMessage:
    """A message that was looked at and left alone. `sent_at` is the service's time, UTC ISO 8601."""

    queue: QueueName
    message_id: str
    body: bytes
    dequeue_count: int
    sent_at: str


class MessageQueue(Protocol):
    """Storage queues, messages base64-encoded on the wire as the Functions host expects."""

    def send(self, queue: QueueName, body: bytes, *, delay_s: float = 0.0) -> None:
        """Put one message on a queue; visible after `delay_s`."""

    def send_many(self, queue: QueueName, bodies: Sequence[bytes]) -> int:
        """Put messages on a queue, several at a time. Returns how many were put, from the first on without gaps.

        Fewer than given when the time allowed by the adapter ran out, or when a message after the first failed:
        the next call then goes on from there, and raises if the fault lasts.
        """

    def receive(self, queue: QueueName, *, count: int, lease_s: float) -> list[QueueMessage]:
        """Lease up to `count` (1 to 32) messages for `lease_s` seconds, in one call. Azure rounds up to seconds."""

    def peek(self, queue: QueueName, *, count: int) -> list[PeekedMessage]:
        """Up to `count` (1 to 32) of the next messages that are not leased, without leasing or counting them."""

    def extend(self, message: QueueMessage, *, lease_s: float) -> QueueMessage:
        """Lease a message for `lease_s` seconds from now (0: give it back at once).

        Returns it with its new receipt. Raises `LeaseLostError` when somebody else has leased it since; also when the
        answer to our own request was lost, because nobody knows the new receipt then.
        """

    def delete(self, message: QueueMessage) -> bool:
        """Take a leased message off its queue; False when the lease was lost or it was gone before."""

    def depth(self, queue: QueueName) -> int:
        """About how many messages the queue holds, leased ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container to run once. `command` is an argument list, no shell."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Environment variables whose values are never shown again."""
    cpu: float = 2.0
    memory_gib: float = 4.0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """What became of a container group."""

    name: str
    phase: ContainerPhase
    exit_code: int | None = None
    detail: str = ""


class ContainerRunner(Protocol):
    """Azure Container Instances, one container to a group, restart policy Never."""

    def start(self, spec: ContainerSpec) -> None:
        """Ask for the group; success when it exists already."""

    def state(self, name: str) -> ContainerState:
        """Phase of a group; `ContainerPhase.MISSING` when there is none."""

    def logs(self, name: str) -> str:
        """What the container has printed so far; empty when there is no such group."""

    def delete(self, name: str) -> None:
        """Delete a group, running or not."""

    def names(self) -> tuple[str, ...]:
        """Names of all our groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts:
    """Worker tasks of the pool's job by state."""

    running: int
    waiting: int


class WorkerPool(Protocol):
    """Worker tasks in the long-lived Batch job of one pool."""

    def counts(self) -> WorkerCounts:
        """Tasks now running, and those that wait for a node."""

    def add(self, task_ids: Sequence[str]) -> None:
        """Add a worker task under each id; ids that exist are left as they are."""

    def end(self, *, waiting_only: bool) -> int:
        """Terminate worker tasks (only those without a node if `waiting_only`); returns how many."""

    def doubts(self) -> str:
        """Why no node comes, in one sentence (quota, resize error, pool missing), or an empty string."""


class Orchestrations(Protocol):
    """The durable side of a run, as the starters and the API need it."""

    async def start(self, run_id: str) -> bool:
        """Schedule `score_run` under the run's id; False when an instance of this id exists."""

    async def start_again(self, run_id: str) -> bool:
        """Schedule `score_run` under the run's id, also where an instance of this id has ended; False when one is under
        way.
        """

    async def pulse(self, run_id: str) -> str | None:
        """A text that is another whenever the run's orchestration, or one of its stages, has done something; None when
        none is under way.
        """

    async def end(self, run_id: str) -> None:
        """Terminate a run's orchestration and its stages; nothing happens when there is none."""

    async def nudge(self, run_id: str) -> None:
        """Tell a run's orchestration to look again; nothing happens when there is none."""


class Clock(Protocol):
    """Time as a port: wall time for records, monotonic seconds for durations."""

    def now(self) -> str:
        """UTC now, ISO 8601 with microseconds and `Z`."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The ports together, as the composition roots hand them on."""

    blobs: BlobStore
    queue: MessageQueue
    clock: Clock
    links: BlobLinks
    accounts: Mapping[Account, str]
    """Name of each storage account."""
