"""The outermost layer of the application: what a request needs of its invocation, and the end of every exception."""

import logging

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dropscore.api.problems import problem
from dropscore.cloud.ports import Orchestrations
from dropscore.contracts.errors import ContractError, FailedError, PermanentCloudError, TransientCloudError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.refusals import refusal_of

_LOG = logging.getLogger(__name__)
NO_ROUTE = {404: "There is nothing at this address.", 405: "This address does not take this method."}


class Boundary:
    """Hands a request the orchestrations it may start and nudge, and answers every exception with a problem.

    The client of the orchestrations belongs to one invocation of the Function app; hence one boundary each.
    """

    def __init__(self, app: ASGIApp, orchestrations: Orchestrations) -> None:
        self._app = app
        self._orchestrations = orchestrations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        scope["state"] = {**(scope.get("state") or {}), "orchestrations": self._orchestrations}
        scope["app"] = self._app  # with it, the router raises where it has no route instead of answering in plain text
        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # the wall of the API: nothing gets out but an answer
            if begun:
                raise
            await answer_to(error)(scope, receive, send)


def answer_to(error: Exception) -> Response:
    """The problem that tells of an exception."""
    if not isinstance(error, HTTPException):
        return problem(failure_of(error))
    answer = problem(failure(Code.REQUEST_FIELD, NO_ROUTE.get(error.status_code)), status=error.status_code)
    answer.headers.update(error.headers or {})
    return answer


def failure_of(error: Exception) -> Failure:
    """What a caller reads of an exception. Details of the unexpected stay in the log."""
    if isinstance(error, FailedError):
        return error.failure
    _LOG.exception("A request failed.", exc_info=error, extra={"action": "request"})
    if isinstance(error, TransientCloudError):
        return failure(Code.STORAGE_UNAVAILABLE)
    if (refused := refusal_of(error)) is not None:
        return refused.model_copy(update={"detail": None})
    if isinstance(error, ContractError | PermanentCloudError):
        return failure(Code.INTERNAL, "Something stored could not be read.")
    return failure(Code.INTERNAL)
