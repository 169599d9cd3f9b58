"""What `/poison` answers."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.operations import Access, Answer, path_parameter, serves
from dropscore.api.poison import Handled, PoisonShelf, poison_queue
from dropscore.api.services import Services
from dropscore.contracts.codec import encode
from dropscore.contracts.http.system import PoisonHandled, PoisonMessage, PoisonQueues, PoisonsHandled

QUEUE = path_parameter("queue", "The poison queue, or the queue or lane it belongs to, such as `normal`.")
MESSAGE_ID = path_parameter("id", "The id of the message.")
HANDLED = Answer(description="What became of it.", contract=PoisonHandled)
COUNTED = Answer(description="How many were done with, and how many are left.", contract=PoisonsHandled)
MOST_REFUSED = 20
"""Most refusals of one call that are told; all are counted."""


class PoisonApi:
    """Looking at the poison queues, and emptying them."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="ListPoison",
        method="GET",
        path="/poison",
        summary="List poison queues",
        description="Every poison queue with its depth and its next messages.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.VIEWER,
        answers={200: Answer(description="The poison queues.", contract=PoisonQueues)},
    )
    async def list(self, _request: Request) -> Response:
        """GET /poison: every poison queue, its depth, and the next messages with their reasons."""
        return JSONResponse({"queues": await run_in_threadpool(self._shelf().queues)})

    @serves(
        id="GetPoison",
        method="GET",
        path="/poison/{queue}/{id}",
        summary="Get a message",
        description="One of the next messages of a poison queue, in full.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.VIEWER,
        answers={200: Answer(description="The message.", contract=PoisonMessage)},
        parameters=(QUEUE, MESSAGE_ID),
        statuses=(404, 409, 410),
    )
    async def show(self, request: Request) -> Response:
        """GET /poison/{queue}/{id}: one of the next messages, in full."""
        queue, message_id = poison_queue(request.path_params["queue"]), request.path_params["id"]
        return JSONResponse(await run_in_threadpool(self._shelf().show, queue, message_id))

    @serves(
        id="DropPoison",
        method="POST",
        path="/poison/{queue}/{id}/drop",
        summary="Drop a message",
        description="Deletes a message for good.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.OPERATOR,
        answers={200: HANDLED},
        parameters=(QUEUE, MESSAGE_ID),
        statuses=(404, 409, 410),
    )
    async def drop(self, request: Request) -> Response:
        """POST /poison/{queue}/{id}/drop: it is gone for good."""
        queue, message_id = poison_queue(request.path_params["queue"]), request.path_params["id"]
        await run_in_threadpool(self._shelf().drop, queue, message_id)
        return JSONResponse({"queue": queue.value, "id": message_id, "dropped": True})

    @serves(
        id="RetryPoison",
        method="POST",
        path="/poison/{queue}/{id}/retry",
        summary="Retry a message",
        description="Sends a message back to the queue it came from, if it can be read now.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.OPERATOR,
        answers={200: HANDLED},
        parameters=(QUEUE, MESSAGE_ID),
        statuses=(404, 409, 410),
    )
    async def retry(self, request: Request) -> Response:
        """POST /poison/{queue}/{id}/retry: back to the queue it came from, if it can be read now."""
        queue, message_id = poison_queue(request.path_params["queue"]), request.path_params["id"]
        await run_in_threadpool(self._shelf().retry, queue, message_id)
        return JSONResponse({"queue": queue.value, "id": message_id, "sent": True})

    @serves(
        id="DropAllPoison",
        method="POST",
        path="/poison/{queue}/drop",
        summary="Drop messages",
        description="Deletes as many messages of a queue as one call has time for.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.OPERATOR,
        answers={200: COUNTED},
        parameters=(QUEUE,),
        statuses=(404, 409, 410),
    )
    async def drop_all(self, request: Request) -> Response:
        """POST /poison/{queue}/drop: as many as a call has time for; `left` says how many there still are."""
        queue = poison_queue(request.path_params["queue"])
        return JSONResponse(_told(await run_in_threadpool(self._shelf().drop_all, queue)))

    @serves(
        id="RetryAllPoison",
        method="POST",
        path="/poison/{queue}/retry",
        summary="Retry messages",
        description="Sends back as many messages of a queue as one call has time for.",
        tag="upkeep",
        of_all_tenants=True,
        access=Access.OPERATOR,
        answers={200: COUNTED},
        parameters=(QUEUE,),
        statuses=(404, 409, 410),
    )
    async def retry_all(self, request: Request) -> Response:
        """POST /poison/{queue}/retry: as many as a call has time for; those refused stay, with their reasons."""
        queue = poison_queue(request.path_params["queue"])
        return JSONResponse(_told(await run_in_threadpool(self._shelf().retry_all, queue)))

    def _shelf(self) -> PoisonShelf:
        return PoisonShelf(self._services().cloud)


def _told(handled: Handled) -> dict[str, object]:
    told = [encode(one) for one in handled.refused[:MOST_REFUSED]]
    return {"done": handled.done, "refused": len(handled.refused), "why_not": told, "left": handled.left}
