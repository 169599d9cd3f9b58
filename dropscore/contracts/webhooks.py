"""Who is told what of runs: subscriptions, what travels on the queue `webhooks`, and the record of what was told.

A message of the queue says that something *will* have happened: it is sent before the run's state is written, so that
no end is ever kept from anybody. Whoever takes it off looks at the state first.
"""

import hashlib
from typing import Annotated

from pydantic import Field, StringConstraints

from dropscore.contracts.base import Count, RunId, Stored
from dropscore.contracts.http.webhooks import CallbackUrl, WebhookEvent
from dropscore.contracts.request import Tenant, WorkloadName
from dropscore.contracts.run import RunState, RunStatus

WebhookId = Annotated[str, StringConstraints(pattern=r"^wh-[0-9a-f]{24}$")]
NewsId = Annotated[str, StringConstraints(pattern=r"^ev-[0-9a-f]{24}$")]
MAX_BYTES = 2_048
"""Largest message of the queue `webhooks`."""


class Subscription(Stored):
    """`_webhooks/<id>.json`: who wants to be told of what."""

    id: WebhookId
    url: CallbackUrl
    events: Annotated[tuple[WebhookEvent, ...], Field(min_length=1, max_length=2)]
    workload: WorkloadName | None = None
    run_id: RunId | None = None
    tenant: Tenant | None = None
    """Of whose runs alone it tells; None: of all."""
    created_at: str
    secret: str
    """Signs what is sent."""
    api: str
    """Scheme and host by which the subscriber reached the API: addresses of runs begin with it."""


class RunNews(Stored):
    """A message of the queue `webhooks`: what happened to a run; to be told to all who want to know, or to the one
    `subscription`. The same news has the same id however often it is sent.
    """

    id: NewsId
    event: WebhookEvent
    at: str
    run_id: RunId
    status: RunStatus
    workload: str | None = None
    tenant: Tenant | None = None
    items_total: Count = 0
    items_done: Count = 0
    items_failed: Count = 0
    rewinds: Count = 0
    has_outputs: bool = False
    subscription: WebhookId | None = None
    tries: Count = 0
    """How often it was looked whether it is so, or, with `subscription`, tried to tell it."""


class Told(Stored):
    """`runs/<run_id>/webhooks/<news>-<subscription>.json`: a subscriber has taken the news, and is not told again."""

    id: NewsId
    subscription: WebhookId
    run_id: RunId
    at: str
    status: Annotated[int, Field(ge=200, le=299)]
    """What the receiver answered."""
    tries: Count


def tenant_of(state: RunState) -> str | None:
    """Whose run it is; None: nobody's in particular."""
    return state.source.tenant


def finished(state: RunState, at: str) -> RunNews:
    """The news that a run has ended. A run that was rewound may end once more, which is news again."""
    return _news(WebhookEvent.RUN_FINISHED, f"{state.rewinds}", state, at)


def quarantined(state: RunState, at: str) -> RunNews:
    """The news that so many items of a run failed for good."""
    return _news(WebhookEvent.ITEMS_QUARANTINED, f"{state.items_failed}", state, at)


def _news(event: WebhookEvent, which: str, state: RunState, at: str) -> RunNews:
    cause = f"{event}\n{state.run_id}\n{which}"
    return RunNews(
        id=f"ev-{hashlib.sha256(cause.encode()).hexdigest()[:24]}",
        event=event,
        at=at,
        run_id=state.run_id,
        status=state.status,
        workload=state.workload,
        tenant=tenant_of(state),
        items_total=state.items_total,
        items_done=state.items_done,
        items_failed=state.items_failed,
        rewinds=state.rewinds,
        has_outputs=bool(state.outputs),
    )
