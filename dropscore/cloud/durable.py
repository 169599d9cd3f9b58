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

    async def schedule_new_orchestration(
        self, orchestrator: str, *, input: Json, instance_id: str, reuse_id_policy: Any = None
    ) -> str:
        """Schedule an orchestration; the service refuses an id that is in use, unless the policy says otherwise."""

    async def get_orchestration_state(self, instance_id: str, *, fetch_payloads: bool = True) -> Any:
        """The state of an instance; None when there is none."""

    async def terminate_orchestration(self, instance_id: str, *, recursive: bool = True) -> None:
        """Terminate an instance and what it has started."""

    async def raise_orchestration_event(self, instance_id: str, event_name: str, *, data: Any) -> None:
        """Send an event to an orchestration."""


class DurableRuns:
    """`Orchestrations` over a durable client."""

    def __init__(self, client: DurableClient) -> None:
        self._client = client

    async def start(self, run_id: str) -> bool:
        return await self._schedule(run_id)

    async def start_again(self, run_id: str) -> bool:
        """A stage that outlived its run would refuse the new one its id, so it is ended first."""
        states = await self._states(run_id)
        if _is_under_way(states[0]):
            return False
        for stage, state in zip(STAGES, states[1:], strict=True):
            if _is_under_way(state):
                await self._terminate(child_instance_id(run_id, stage))
        return await self._schedule(run_id, reuse_id_policy=_over_ended_ones())

    async def pulse(self, run_id: str) -> str | None:
        states = await self._states(run_id)
        if not _is_under_way(states[0]):
            return None
        return " ".join("-" if state is None else f"{state.last_updated_at:%H%M%S.%f}" for state in states)

    async def end(self, run_id: str) -> None:
        for instance_id in _instances(run_id):
            await self._terminate(instance_id)

    async def _schedule(self, run_id: str, **how: Any) -> bool:
        payload = encode(RunRef(run_id=run_id))
        try:
            await self._client.schedule_new_orchestration(
                OrchestratorName.SCORE_RUN, input=payload, instance_id=run_id, **how
            )
        except Exception as error:
            if _code(error) == "ALREADY_EXISTS":
                return False
            raise _translated(error, f"schedule {run_id}") from error
        return True

    async def _states(self, run_id: str) -> tuple[Any, ...]:
        """The state of the run's orchestration, then those of its stages; None for one that does not exist."""
        return tuple(await asyncio.gather(*(self._state(instance_id) for instance_id in _instances(run_id))))

    async def _state(self, instance_id: str) -> Any:
        try:
            return await self._client.get_orchestration_state(instance_id, fetch_payloads=False)
        except Exception as error:
            if _code(error) == "NOT_FOUND":
                return None
            raise _translated(error, f"look at {instance_id}") from error

    async def _terminate(self, instance_id: str) -> None:
        try:
            await self._client.terminate_orchestration(instance_id, recursive=True)
        except Exception as error:
            if _code(error) not in ("NOT_FOUND", "FAILED_PRECONDITION"):  # the latter: it has ended already
                raise _translated(error, f"end {instance_id}") from error

    async def nudge(self, run_id: str) -> None:
        """Tell each stage of a run, since only they wait; those that do not exist are passed over."""
        await asyncio.gather(*(self._nudge(child_instance_id(run_id, stage)) for stage in STAGES))

    async def _nudge(self, instance_id: str) -> None:
        try:
            await self._client.raise_orchestration_event(instance_id, EventName.NUDGE, data=None)
        except Exception as error:
            if _code(error) != "NOT_FOUND":
                raise _translated(error, f"nudge {instance_id}") from error


def _instances(run_id: str) -> tuple[str, ...]:
    return (run_id, *(child_instance_id(run_id, stage) for stage in STAGES))


def _is_under_way(state: Any) -> bool:
    return state is not None and state.runtime_status.name not in _ENDED


def _over_ended_ones() -> Any:
    """The policy that lets a new instance take the id of one that has ended. In Azure this is how the host behaves."""
    from durabletask.internal import orchestrator_service_pb2 as pb

    return pb.OrchestrationIdReusePolicy(
        replaceableStatus=[
            getattr(pb, f"ORCHESTRATION_STATUS_{name}") for name in ("COMPLETED", "FAILED", "TERMINATED")
        ]
    )


_ENDED = ("COMPLETED", "FAILED", "TERMINATED")


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
