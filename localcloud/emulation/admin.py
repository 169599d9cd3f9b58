"""What every emulator answers besides its service: health, ledger, fault script; and faults that meet requests."""

import asyncio

from pydantic import ValidationError
from starlette.responses import Response

from localcloud.emulation.faults import FaultEvent, FaultKind, Faults, Rule, Script
from localcloud.emulation.json_bodies import json_response
from localcloud.emulation.ledger import Ledger
from localcloud.emulation.routing import Call, Handler, Operation, ServiceError

_OWN = ("/healthz", "/_emulator/")


def is_own(call: Call) -> bool:
    """Whether a request is for the emulator itself and not for the service: no signature, no version, no faults."""
    return call.path.startswith(_OWN)


class Admin:
    """Handlers below `/_emulator/`, and `/healthz`."""

    def __init__(self, ledger: Ledger, faults: Faults) -> None:
        self._ledger = ledger
        self._faults = faults

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        return (
            Operation(method="GET", template="/healthz", handler=self.health),
            Operation(method="GET", template="/_emulator/ledger", handler=self.read_ledger),
            Operation(method="GET", template="/_emulator/faults", handler=self.read_faults),
            Operation(method="PUT", template="/_emulator/faults", handler=self.set_faults),
        )

    async def health(self, _: Call) -> Response:
        """Alive."""
        return json_response(200, {"status": "ok"})

    async def read_ledger(self, call: Call) -> Response:
        """The ledger's lines after number `since`."""
        since = call.query.get("since", "0")
        if not since.isdecimal():
            raise ServiceError(400, "InvalidQueryParameterValue", "since must be a whole number.")
        return json_response(200, {"value": self._ledger.lines(since=int(since))})

    async def read_faults(self, _: Call) -> Response:
        """The script that runs."""
        return json_response(200, self._faults.script.model_dump(mode="json"))

    async def set_faults(self, call: Call) -> Response:
        """Begin another script."""
        try:
            self._faults.begin(Script.model_validate_json(call.body))
        except ValidationError as error:
            raise ServiceError(400, "InvalidRequestBody", str(error)) from error
        return json_response(200, self._faults.script.model_dump(mode="json"))


class RequestFaults:
    """Middleware: slow, refused and lost answers, as the script says."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def __call__(self, call: Call, handler: Handler) -> Response:
        if is_own(call):
            return await handler(call)
        refusals: list[Rule] = []
        for fault in self._faults.at(FaultEvent.REQUEST, f"{call.method} {call.path}"):
            await asyncio.sleep(fault.after_s)
            if fault.rule.do is FaultKind.LOSE_ANSWER:
                await handler(call)
            if fault.rule.do in {FaultKind.ANSWER, FaultKind.LOSE_ANSWER}:
                refusals.append(fault.rule)
        if refusals:
            rule = refusals[0]
            message = "The fault script answered this request."
            raise ServiceError(rule.status, rule.code, message, retry_after_s=rule.retry_after_s)
        return await handler(call)
