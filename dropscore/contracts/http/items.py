"""The inside of a run as the API shows it: its items, its shards, its workers and its logs."""

from enum import StrEnum

from dropscore.contracts.base import Contract, Count, Json, RunId, Seconds
from dropscore.contracts.verdict import ItemTiming


class ItemState(StrEnum):
    """How an item stands."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class ItemDocument(Contract):
    """One item. `code` and `message` tell why it failed."""

    item: Count
    state: ItemState
    shard_id: Count
    worker: str | None = None
    timing: ItemTiming | None = None
    code: str | None = None
    message: str | None = None


class ItemPage(Contract):
    """Items in their order."""

    run_id: RunId
    items: tuple[ItemDocument, ...]
    next: str | None


class ShardState(StrEnum):
    """How a shard stands, in one letter of `ShardGrid.states`."""

    WAITING = "."
    WORKING = "w"
    DONE = "d"
    RETRIED = "r"
    """Done, by another than its first delivery."""
    SPLIT = "s"
    """Divided, because an item of it failed; its good items are done."""
    FAILED = "f"


class ShardGrid(Contract):
    """All shards of a run at a glance."""

    run_id: RunId
    shards_total: Count
    states: str
    """A letter (`ShardState`) for each shard, in order."""
    counts: dict[str, Count]
    """By letter."""
    first_items: tuple[Count, ...] = ()
    """The first item of each shard, once the plan is known."""


class WorkerDocument(Contract):
    """A worker that is at work for a run, or was a moment ago."""

    worker: str
    device: str
    state: str
    """`scoring` or `idle`."""
    run_id: RunId | None = None
    shards: tuple[Count, ...] = ()
    """The shards that it is scoring now."""
    items_per_s: Seconds | None = None
    seen_at: str


class WorkerList(Contract):
    """The workers that have told of themselves lately."""

    workers: tuple[WorkerDocument, ...]


class LogLevel(StrEnum):
    """How grave a line is, the least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogLine(Contract):
    """One line of one actor. `fields` is empty for text that is no JSON, such as a crash outside of our logging."""

    actor: str
    at: str | None = None
    level: str | None = None
    message: str
    item: Count | None = None
    shard_id: Count | None = None
    fields: dict[str, Json] = {}


class LogPage(Contract):
    """Lines of a run's logs in the order of time."""

    run_id: RunId
    lines: tuple[LogLine, ...]
    next: str
    """Pass it as `after` for what comes later."""
    more: bool = False
    """Whether later lines are there already: ask again at once."""
    ended: bool
    """Whether nothing more is to come."""
