"""Webhooks: who is told of what happens to runs."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from dropscore.contracts.base import Contract, Count, RunId, Stored
from dropscore.contracts.request import WorkloadName
from dropscore.contracts.run import RunStatus

CallbackUrl = Annotated[str, StringConstraints(min_length=10, max_length=2000)]


class WebhookEvent(StrEnum):
    """What somebody can be told of."""

    RUN_FINISHED = "run.finished"
    """A run has ended, in whatever way."""
    ITEMS_QUARANTINED = "items.quarantined"
    """Items of a run failed for good."""


class WebhookRequest(Contract):
    """What to be told of, and where."""

    url: CallbackUrl
    """An https address; it gets a POST for each event."""
    events: Annotated[tuple[WebhookEvent, ...], Field(min_length=1, max_length=2)]
    workload: WorkloadName | None = None
    """Only of runs of this workload."""
    run_id: RunId | None = None
    """Only of this run."""


class EventSubscription(Contract):
    """Where to be told of one kind of event."""

    url: CallbackUrl
    """An https address; it gets a POST for each event."""
    workload: WorkloadName | None = None
    """Only of runs of this workload."""
    run_id: RunId | None = None
    """Only of this run."""


class WebhookDocument(Contract):
    """A subscription. `secret` signs what is sent; it is told once, when the subscription is made."""

    id: str
    url: str
    events: tuple[WebhookEvent, ...]
    workload: WorkloadName | None = None
    run_id: RunId | None = None
    created_at: str
    secret: str | None = None


class WebhookList(Contract):
    """The subscriptions of a caller."""

    webhooks: tuple[WebhookDocument, ...]


class Notification(Stored):
    """What a subscriber gets, as JSON, signed (see `docs/webhooks.md`). The same `id` may come more than once."""

    id: str
    event: WebhookEvent
    at: str
    run_id: RunId
    status: RunStatus
    workload: str | None = None
    items_total: Count = 0
    items_done: Count = 0
    items_failed: Count = 0
    run: str
    """The address of the run."""
    results: str | None = None
    """The address of its outputs, once it has some."""
    test: bool = False
    """Sent because somebody asked for a test: there may be no such run."""


class WebhookTest(Contract):
    """What came of a test: `status` is what the receiver answered, `problem` why there is no answer."""

    id: str
    delivered: bool
    status: int | None
    problem: str | None
