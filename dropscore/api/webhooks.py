"""What `/webhooks` answers: subscribing to what happens to runs.

The secret is told once, when a subscription is made. So is the whole address: its query may hold a signature (that of a
Logic App does), so it is hidden from then on.
"""

import secrets
from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.callers import caller_of
from dropscore.api.operations import BASE, Access, Answer, path_parameter, serves
from dropscore.api.problems import problem
from dropscore.api.runs import other_than_json, read_body, stored_state
from dropscore.api.services import Services
from dropscore.api.starting import encoding_problem
from dropscore.cloud.letters import letter_of, notification_of
from dropscore.cloud.subscriptions import MOST, Subscriptions
from dropscore.contracts.base import Contract, Json
from dropscore.contracts.codec import encode, encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.webhooks import (
    WebhookDocument,
    WebhookEvent,
    WebhookList,
    WebhookRequest,
    WebhookTest,
)
from dropscore.contracts.names import QueueName
from dropscore.contracts.reading import Refusal, read_as, suggestion
from dropscore.contracts.run import RunState, RunStatus
from dropscore.contracts.webhooks import RunNews, Subscription, finished, quarantined, tenant_of

ID = path_parameter("id", "The id of the webhook.", "^wh-[0-9a-f]{24}$")
SUBSCRIBED = {"Location": "The address of the webhook; DELETE there ends it."}


class WebhooksApi:
    """Subscriptions, and trying them."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="CreateWebhook",
        method="POST",
        path="/webhooks",
        summary="Create a webhook",
        description="Has an address called when something happens to runs. The secret that signs what is sent is told "
        "this once. With `run_id`, a run that has ended already is told of at once.",
        tag="webhooks",
        access=Access.SUBMITTER,
        body=WebhookRequest,
        answers={201: Answer(description="The webhook.", contract=WebhookDocument, headers=SUBSCRIBED)},
        statuses=(404, 409, 410, 415, 422),
    )
    async def create(self, request: Request) -> Response:
        """POST /webhooks: 201 with the secret, and `Location` by which it is ended."""
        if (other := other_than_json(request)) is not None:
            return other
        asked = read_asked(WebhookRequest, await read_body(request))
        return await self.subscribed(asked, request) if isinstance(asked, WebhookRequest) else problem(*asked)

    async def subscribed(self, asked: WebhookRequest, request: Request) -> Response:
        """201 with the subscription that is asked for, its secret, and `Location`."""
        await self._services().courier.check(asked.url)
        subscription = await run_in_threadpool(self._subscribe, asked, caller_of(request).tenant, _api(request))
        document = _document(subscription) | {"url": subscription.url, "secret": subscription.secret}
        return JSONResponse(document, 201, {"Location": f"{BASE}/webhooks/{subscription.id}"})

    @serves(
        id="ListWebhooks",
        method="GET",
        path="/webhooks",
        summary="List webhooks",
        description="The webhooks of the caller's tenant, or all, without secrets and queries of addresses.",
        tag="webhooks",
        access=Access.VIEWER,
        answers={200: Answer(description="The webhooks.", contract=WebhookList)},
    )
    async def list(self, request: Request) -> Response:
        """GET /webhooks: those that the caller may see, oldest first."""
        everybodys = await run_in_threadpool(lambda: tuple(self._subscriptions().all()))
        tenant = caller_of(request).tenant
        visible = [one for one in everybodys if tenant in (None, one.tenant)]
        visible.sort(key=lambda one: (one.created_at, one.id))
        return JSONResponse({"webhooks": [_document(one) for one in visible]})

    @serves(
        id="GetWebhook",
        method="GET",
        path="/webhooks/{id}",
        summary="Get a webhook",
        description="A webhook, without its secret and the query of its address.",
        tag="webhooks",
        access=Access.VIEWER,
        parameters=(ID,),
        answers={200: Answer(description="The webhook.", contract=WebhookDocument)},
        statuses=(404,),
    )
    async def show(self, request: Request) -> Response:
        """GET /webhooks/{id}: the webhook."""
        return JSONResponse(_document(await run_in_threadpool(self._own, request)))

    @serves(
        id="DeleteWebhook",
        method="DELETE",
        path="/webhooks/{id}",
        summary="Delete a webhook",
        description="Ends a webhook; what was not yet delivered to it is not delivered. Asked twice is asked once.",
        tag="webhooks",
        access=Access.SUBMITTER,
        parameters=(ID,),
        answers={204: Answer(description="It is no more.", media_type=None)},
        statuses=(404,),
    )
    async def delete(self, request: Request) -> Response:
        """DELETE /webhooks/{id}: 204, also for one that is deleted already."""
        await run_in_threadpool(self._delete, request)
        return Response(status_code=204)

    @serves(
        id="TestWebhook",
        method="POST",
        path="/webhooks/{id}/test",
        summary="Test a webhook",
        description="Sends a notification marked `test` now, once, and tells what the receiver answered.",
        tag="webhooks",
        access=Access.SUBMITTER,
        parameters=(ID,),
        answers={200: Answer(description="What came of it.", contract=WebhookTest)},
        statuses=(404,),
    )
    async def test(self, request: Request) -> Response:
        """POST /webhooks/{id}/test: 200 with what the receiver answered, or why it did not."""
        subscription = await run_in_threadpool(self._own, request)
        now = self._services().cloud.clock.now()
        notification = notification_of(_made_up(subscription, now), subscription, test=True)
        at = int(datetime.fromisoformat(now).timestamp())
        reply = await self._services().courier.post(letter_of(notification, subscription, at))
        told = WebhookTest(
            id=notification.id, delivered=reply.taken, status=reply.status, problem=reply.problem or None
        )
        return JSONResponse(encode(told))

    def _subscriptions(self) -> Subscriptions:
        return Subscriptions(self._services().cloud.blobs)

    def _own(self, request: Request) -> Subscription:
        """The webhook asked for, if the caller may know of it. Raises `FailedError` (E-WEBHOOK-UNKNOWN)."""
        webhook_id, tenant = request.path_params["id"], caller_of(request).tenant
        subscription = self._subscriptions().get(webhook_id) if is_id(webhook_id) else None
        if subscription is None or tenant not in (None, subscription.tenant):
            raise unknown_webhook(webhook_id)
        return subscription

    def _delete(self, request: Request) -> None:
        webhook_id, tenant = request.path_params["id"], caller_of(request).tenant
        try:
            self._subscriptions().remove(self._own(request))
        except FailedError:
            if not is_id(webhook_id) or not self._subscriptions().was_removed(webhook_id, tenant):
                raise

    def _subscribe(self, asked: WebhookRequest, tenant: str | None, api: str) -> Subscription:
        """Store a subscription, and tell it of the run it names if that has ended already: nobody else would.

        Raises `FailedError` for a run or workload that is not there, or when there are too many subscriptions.
        """
        self._require_workload(asked.workload)
        if self._subscriptions().count() >= MOST:
            raise FailedError.of(Code.WEBHOOK_LIMIT, f"There are {MOST} webhooks already.")
        self._run(asked.run_id, tenant)
        cloud = self._services().cloud
        subscription = Subscription(
            id=f"wh-{secrets.token_hex(12)}",
            url=asked.url,
            events=tuple(dict.fromkeys(asked.events)),
            workload=asked.workload,
            run_id=asked.run_id,
            tenant=tenant,
            created_at=cloud.clock.now(),
            secret=f"whsec_{secrets.token_urlsafe(32)}",
            api=api,
        )
        self._subscriptions().add(subscription)
        state = self._run(asked.run_id, tenant)
        for news in () if state is None else missed_by(subscription, state):
            cloud.queue.send(QueueName.WEBHOOKS, encode_bytes(news))
        return subscription

    def _run(self, run_id: str | None, tenant: str | None) -> RunState | None:
        """The run that a caller names. Raises `FailedError` (E-RUN-UNKNOWN) also for another tenant's."""
        if run_id is None:
            return None
        state = stored_state(self._services().cloud.blobs, run_id)
        if tenant not in (None, tenant_of(state)):
            raise FailedError.of(Code.RUN_UNKNOWN, f"There is no run {run_id!r}.", field="run_id")
        return state

    def _require_workload(self, name: str | None) -> None:
        known = [str(one["name"]) for one in self._services().workloads.describe()]
        if name is not None and name not in known:
            message = f"There is no workload {name!r}."
            raise FailedError.of(Code.WORKLOAD_UNKNOWN, message, field="workload", action=suggestion(name, known))


def missed_by(subscription: Subscription, state: RunState) -> tuple[RunNews, ...]:
    """What a run that has ended was told of before the subscription was there, as messages for it alone."""
    if not state.status.ended or subscription.workload not in (None, state.workload):
        return ()
    news = [finished(state, state.updated_at)] if WebhookEvent.RUN_FINISHED in subscription.events else []
    if state.items_failed and WebhookEvent.ITEMS_QUARANTINED in subscription.events:
        news.insert(0, quarantined(state, state.updated_at))
    return tuple(one.model_copy(update={"subscription": subscription.id}) for one in news)


def is_id(text: str) -> bool:
    """Whether a text is an id of ours, and so fit for a path in storage."""
    return text.startswith("wh-") and len(text) == 27 and set(text[3:]) <= set("0123456789abcdef")


def unknown_webhook(webhook_id: str) -> FailedError:
    """There is no such webhook, or it is another tenant's."""
    return FailedError.of(Code.WEBHOOK_UNKNOWN, f"There is no webhook {webhook_id[:40]!r}.", field="id")


def read_asked[C: Contract](contract: type[C], body: bytes) -> C | Refusal:
    """What a body asks for, or everything that is wrong with it."""
    undecodable = encoding_problem(body)
    return (undecodable,) if undecodable is not None else read_as(contract, body.decode())


def _api(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{BASE}"


def _document(subscription: Subscription) -> dict[str, Json]:
    """A webhook as it is shown, without what is told once."""
    address, query, _ = subscription.url.partition("?")
    document = WebhookDocument(
        id=subscription.id,
        url=f"{address}?…" if query else address,
        events=subscription.events,
        workload=subscription.workload,
        run_id=subscription.run_id,
        created_at=subscription.created_at,
    )
    told = encode(document)
    return told if isinstance(told, dict) else {}


def _made_up(subscription: Subscription, now: str) -> RunNews:
    """News as the subscriber would get it, of no run, or of the one it is for."""
    return RunNews(
        id=f"ev-{secrets.token_hex(12)}",
        event=subscription.events[0],
        at=now,
        run_id=subscription.run_id or "test-run",
        status=RunStatus.SUCCEEDED,
        workload=subscription.workload,
    )
