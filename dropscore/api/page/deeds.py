"""Forms of the page: what is done to runs and to poison queues, by the API's own operations."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message

from dropscore.api.control import refuse_rewind
from dropscore.api.documents import links
from dropscore.api.operations import Handler, Served
from dropscore.api.page.rendering import Pages
from dropscore.api.page.security import require_own_form
from dropscore.api.page.visit import Visit
from dropscore.api.runs import read_body
from dropscore.contracts.codec import encode_bytes, parse
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.request import ReplayRequest
from dropscore.contracts.run import RunState, RunStatus

ON_RUN: Mapping[str, str] = {
    "cancel": "CancelRun",
    "suspend": "SuspendRun",
    "resume": "ResumeRun",
    "rewind": "RewindRun",
    "replay": "ReplayRun",
    "delete": "DeleteRun",
}
"""What may be done to a run, and the operation that does it."""
ON_MESSAGE: Mapping[str, str] = {"drop": "DropPoison", "retry": "RetryPoison"}
ON_QUEUE: Mapping[str, str] = {"drop": "DropAllPoison", "retry": "RetryAllPoison"}

type Fields = Mapping[str, str]


class Deeds:
    """Takes the forms. Each answers with a redirect to a page, so that reloading repeats nothing."""

    def __init__(self, pages: Pages, served: Mapping[str, Served]) -> None:
        self._pages = pages
        self._served = served

    def on_run(self, deed: str) -> Handler:
        """POST /runs/{run_id}/<deed>: one of `ON_RUN`."""

        async def answer(request: Request) -> Response:
            fields = await self._fields(request)
            body = _replay_body(fields) if deed == "replay" else b""
            told = await self._ask(ON_RUN[deed], _inner(request, body, fields.get("key")))
            if deed == "delete":
                return self._see(request, "/", said="deleted")
            return self._see(request, f"/runs/{told['run_id']}", said=deed)

        return answer

    def on_poison(self, deed: str, operation: str) -> Handler:
        """POST /poison/{queue}/<deed> and /poison/{queue}/{id}/<deed>: one of `ON_QUEUE` or `ON_MESSAGE`."""

        async def answer(request: Request) -> Response:
            await self._fields(request)
            told = await self._ask(operation, _inner(request, b""))
            return self._see(request, "/poison", said=deed, refused=told.get("refused"))

        return answer

    async def _ask(self, operation: str, request: Request) -> Mapping[str, object]:
        return _good(await self._served[operation].handler(request))

    async def _fields(self, request: Request) -> Fields:
        """The fields of a form of ours. Raises `FailedError` (E-AUTH-FORBIDDEN)."""
        body = await read_body(request)
        fields = dict(parse_qsl(body.decode("utf-8", errors="replace")))
        require_own_form(request, fields)
        if self._pages.visit(request).read_only:
            message = "This page only shows: it was set up so."
            raise FailedError.of(Code.AUTH_FORBIDDEN, message, action="Use the command line or the API.")
        return fields

    def _see(self, request: Request, path: str, **query: object) -> Response:
        return RedirectResponse(self._pages.visit(request).to(path, **query), 303)


def deeds_of(state: RunState, visit: Visit, served: Mapping[str, Served]) -> Sequence[str]:
    """What this visitor may do to a run now, of `ON_RUN`."""
    possible = [deed for deed in links(state) if deed in ON_RUN and deed != "rewind"]
    if state.status is RunStatus.FAILED and _can_rewind(state):
        possible.append("rewind")
    if state.status in (RunStatus.SUCCEEDED_WITH_GAPS, RunStatus.FAILED):
        possible.append("replay")
    if state.status.ended:
        possible.append("delete")
    return [deed for deed in possible if visit.may(served[ON_RUN[deed]].operation)]


def _can_rewind(state: RunState) -> bool:
    try:
        refuse_rewind(state)
    except FailedError:
        return False
    return True


def _replay_body(fields: Fields) -> bytes:
    model = fields.get("model", "").strip()
    return encode_bytes(ReplayRequest(model=model or None, note=fields.get("note", "")))


def _inner(request: Request, body: bytes, key: str | None = None) -> Request:
    """The request as the API's operation reads it: with JSON as its body, and the key that makes a form sent twice
    the same request.
    """
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    if key:
        headers.append((b"idempotency-key", key.encode("ascii", errors="replace")))

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)


def _good(answer: Response) -> Mapping[str, object]:
    """The document of a good answer. Raises `FailedError` with the problem of another."""
    told = parse(bytes(answer.body), name="answer")
    document = told if isinstance(told, dict) else {}
    if answer.status_code >= 400:
        raise FailedError.of(Code(str(document["code"])), str(document["message"]), action=str(document["action"]))
    return document
