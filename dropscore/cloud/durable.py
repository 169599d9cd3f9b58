"""The durable side of a run, through the client that the Functions host hands to an invocation."""

import asyncio
from typing import Any, Protocol

from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import PermanentCloudError, TransientCloudError
from dropscore.contracts.identity import STAGES, child_instance_id
from dropscore.contracts.names import EventName, OrchestratorName
from dropscore.contracts.orchestration import RunRef


class DurableClient(Protocol):
    """The part of durabletask's asynchronous client that is needed here."""

    async def schedule_new_orchestration(self, orchestrator: str, *, input: Json, instance_id: str) -> str:
        """Schedule an orchestration; the service refuses an id that is in use."""

    async def raise_orchestration_event(self, instance_id: str, event_name: str, *, data: Any) -> None:
        """Send an event to an orchestration."""


class DurableRuns:
    """`Orchestrations` over a durable client."""

    def __init__(self, client: DurableClient) -> None:
        self._client = client

    async def start(self, run_id: str) -> bool:
        payload = encode(RunRef(run_id=run_id))
        try:
            await self._client.schedule_new_orchestration(OrchestratorName.SCORE_RUN, input=payload, instance_id=run_id)
        except Exception as error:
            if _code(error) == "ALREADY_EXISTS":
                return False
            raise _translated(error, f"schedule {run_id}") from error
        return True

    async def nudge(self, run_id: str) -> None:
        """Tell each stage of a run, since only they wait; those that do not exist are passed over."""
        await asyncio.gather(*(self._nudge(child_instance_id(run_id, stage)) for stage in STAGES))

    async def _nudge(self, instance_id: str) -> None:
        try:
            await self._client.raise_orchestration_event(instance_id, EventName.NUDGE, data=None)
        except Exception as error:
            if _code(error) != "NOT_FOUND":
                raise _translated(error, f"nudge {instance_id}") from error


def _code(error: Exception) -> str | None:
    """The gRPC status of an error, by name; None when it is not an answer of the service."""
    code = getattr(error, "code", None)
    return getattr(code(), "name", None) if callable(code) else None


def _translated(error: Exception, what: str) -> Exception:
    """An answer of the service as one of our errors; anything else stays what it is."""
    code = _code(error)
    if code is None:
        return error
    lasting = ("INVALID_ARGUMENT", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED")
    kind = PermanentCloudError if code in lasting else TransientCloudError
    return kind(f"could not {what}: {code}")
