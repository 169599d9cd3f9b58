"""What `/events/{event}/webhooks` answers: subscribing to one kind of event at an address of its own.

A connector's triggers each need one: the language that describes them knows one operation for a method and path.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.operations import Access, Answer, Parameter, serves
from dropscore.api.problems import problem
from dropscore.api.runs import read_body
from dropscore.api.services import Services
from dropscore.api.webhooks import SUBSCRIBED, WebhooksApi, read_asked
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.http.webhooks import EventSubscription, WebhookDocument, WebhookEvent, WebhookRequest
from dropscore.contracts.reading import suggestion

EVENTS = tuple(event.value for event in WebhookEvent)
EVENT = Parameter(
    name="event",
    place="path",
    description="What to be told of.",
    schema={"type": "string", "enum": [*EVENTS]},
    required=True,
)


class EventWebhooksApi:
    """Subscriptions to one kind of event. They are webhooks like others."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._webhooks = WebhooksApi(services)

    @serves(
        id="SubscribeToEvent",
        method="POST",
        path="/events/{event}/webhooks",
        summary="Subscribe to an event",
        description="Creates a webhook for one kind of event; `Location` is the address at which it is deleted.",
        tag="webhooks",
        access=Access.SUBMITTER,
        parameters=(EVENT,),
        body=EventSubscription,
        answers={201: Answer(description="The webhook.", contract=WebhookDocument, headers=SUBSCRIBED)},
        statuses=(404, 409, 410, 422),
    )
    async def subscribe(self, request: Request) -> Response:
        """POST /events/{event}/webhooks: 201 with the secret, and `Location` by which it is ended."""
        name = request.path_params["event"]
        if name not in EVENTS:
            why = f"There is no event {name[:40]!r}."
            action = suggestion(name, EVENTS)
            return problem(failure(Code.REQUEST_FIELD, why, field="event", action=action), status=404)
        asked = read_asked(EventSubscription, await read_body(request))
        if not isinstance(asked, EventSubscription):
            return problem(*asked)
        wanted = WebhookRequest(
            url=asked.url, events=(WebhookEvent(name),), workload=asked.workload, run_id=asked.run_id
        )
        return await self._webhooks.subscribed(wanted, request)
