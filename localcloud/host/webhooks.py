"""Where Event Grid delivers what it has to tell about blobs, at the address that the real host has for it.

    POST /runtime/webhooks/blobs?functionName=Host.Functions.on_trigger

A delivery calls the function whether or not it was called before: Event Grid delivers at least once. The storage
emulator's own events come another way (`events`); who wants a delivery doubled sends it here.
"""

import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from azure.core.exceptions import AzureError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcloud.host.blobs import BlobListener

PATH = "/runtime/webhooks/blobs"
PREFIX = "Host.Functions."
BODY_LIMIT_BYTES = 1 << 20
"""Event Grid's limit on one delivery."""
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_CREATED = "Microsoft.Storage.BlobCreated"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobWebhook:
    """Takes deliveries for the blob listeners of an app. `keys` are asked for as at HTTP functions."""

    listeners: Sequence[BlobListener]
    keys: Mapping[str, str] | None

    @property
    def route(self) -> Route:
        """For the web server."""
        return Route(PATH, self.take, methods=["POST"])

    async def take(self, request: Request) -> Response:
        """One delivery: 200 when everything in it was handled, 500 when it is to be delivered again."""
        if self.keys is not None and not self._knows(request.query_params.get("code", "")):
            return Response(status_code=401)
        name = request.query_params.get("functionName", "").removeprefix(PREFIX)
        listener = next((one for one in self.listeners if one.function.name == name), None)
        events = _events(await request.body())
        if listener is None or events is None:
            return Response(status_code=404 if listener is None else 400)
        for event in events:
            if event.get("eventType") == _VALIDATION:
                return JSONResponse({"validationResponse": event.get("data", {}).get("validationCode", "")})
        handled = [await _deliver(listener, event) for event in events]
        return Response(status_code=200 if all(handled) else 500)

    def _knows(self, code: str) -> bool:
        return any(hmac.compare_digest(code.encode(), key.encode()) for key in (self.keys or {}).values())


def _events(body: bytes) -> list[dict[str, Any]] | None:
    """The events of a delivery in Event Grid's own schema; None for anything else."""
    try:
        said = json.loads(body) if len(body) <= BODY_LIMIT_BYTES else None
    except ValueError:
        return None
    events = said if isinstance(said, list) else [said]
    objects = [event for event in events if isinstance(event, dict)]
    return objects if objects and len(objects) == len(events) else None


async def _deliver(listener: BlobListener, event: Mapping[str, Any]) -> bool:
    """Tell a listener of one event; one about another container, or of another kind, is none of its business."""
    url = str(event.get("data", {}).get("url", "")) if event.get("eventType") == _CREATED else ""
    container = f"/{listener.pattern.container}/"
    _, found, name = unquote(urlsplit(url).path).partition(container)
    if not found or listener.pattern.match(name) is None:
        return True
    try:
        return await listener.deliver(name)
    except AzureError as error:
        _LOG.warning("The blob %s of an event could not be read: %s", name, error)
        return False
