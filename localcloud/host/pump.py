"""Carries work between the durable backend and the app: orchestrator turns, activity calls and their results."""

import asyncio
import base64
import logging
from collections.abc import Coroutine
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2  # type: ignore[import-untyped]  # it has no types

from localcloud.durable.taskhub import TaskHub
from localcloud.host.functions import Function, FunctionApp, Outcome, failed_outcome
from localcloud.host.runtime import Datum, datum

MAX_TURNS = 8
MAX_ACTIVITIES = 24
"""Fewer than the threads of the app, so that orchestrators never wait for activities to end."""

_LOG = logging.getLogger(__name__)


class DurablePump:
    """Runs what the task hub asks for. `wake` may be called from any thread."""

    def __init__(self, hub: TaskHub, app: FunctionApp, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._app = app
        self._loop = loop
        self._work = asyncio.Event()
        self._turns: set[asyncio.Task[None]] = set()
        self._activities: set[asyncio.Task[None]] = set()
        self._orchestrators = {f.durable_name.lower(): f for f in app.of_kind("orchestrationTrigger")}
        self._activity_functions = {f.durable_name.lower(): f for f in app.of_kind("activityTrigger")}

    def wake(self) -> None:
        """There may be work."""
        self._loop.call_soon_threadsafe(self._work.set)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._take_all()
            await self._work.wait()
            self._work.clear()

    async def drain(self, limit_s: float) -> None:
        """Wait until nothing is being executed, or `limit_s` is over."""
        if running := self._turns | self._activities:
            await asyncio.wait(running, timeout=limit_s)

    def _take_all(self) -> None:
        while len(self._turns) < MAX_TURNS and (item := self._hub.next_orchestration()) is not None:
            self._spawn(self._turns, self._turn(item))
        while len(self._activities) < MAX_ACTIVITIES and (item := self._hub.next_activity()) is not None:
            self._spawn(self._activities, self._activity(item))

    def _spawn(self, running: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        running.add(task)

        def done(task: asyncio.Task[None]) -> None:
            running.discard(task)
            self._work.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.critical("A durable work item was lost.", exc_info=error)

        task.add_done_callback(done)

    async def _turn(self, item: pb.WorkItem) -> None:
        request = item.orchestratorRequest
        name = _orchestrator_name(request)
        outcome = await self._run(self._orchestrators.get(name.lower()), name, _encoded(request))
        if outcome.ok and outcome.value is not None:
            response = pb.OrchestratorResponse.FromString(base64.b64decode(outcome.value.value))
        else:
            _LOG.error("The orchestrator %s could not be run: %s\n%s", name, outcome.error, outcome.traceback)
            response = _failed_turn(outcome)
        response.instanceId = request.instanceId
        response.completionToken = item.completionToken
        self._hub.complete_orchestration(response)

    async def _activity(self, item: pb.WorkItem) -> None:
        request = item.activityRequest
        value = request.input.value if request.HasField("input") else "null"
        outcome = await self._run(
            self._activity_functions.get(request.name.lower()), request.name, datum(value, "json")
        )
        response = pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId,
            taskId=request.taskId,
            completionToken=item.completionToken,
        )
        if outcome.ok:
            if outcome.value is not None and outcome.value.value is not None:
                response.result.CopyFrom(wrappers_pb2.StringValue(value=outcome.value.value))
        else:
            instance = request.orchestrationInstance.instanceId
            error = f"{outcome.error_type}: {outcome.error}"
            _LOG.warning("The activity %s of %s failed: %s\n%s", request.name, instance, error, outcome.traceback)
            response.failureDetails.CopyFrom(_details(outcome))
        self._hub.complete_activity(response)

    async def _run(self, function: Function | None, name: str, value: Datum) -> Outcome:
        if function is None:
            return failed_outcome(f"LookupError('{name}')", f"LookupError: the app has no function named {name}")
        return await self._app.invoke(function, value)


def _encoded(request: pb.OrchestratorRequest) -> Datum:
    return datum(base64.b64encode(request.SerializeToString()).decode(), "string")


def _orchestrator_name(request: pb.OrchestratorRequest) -> str:
    """The name in the last `executionStarted` event, which is the one that counts after a continue-as-new."""
    for events in (request.newEvents, request.pastEvents):
        for event in reversed(events):
            if event.HasField("executionStarted"):
                return str(event.executionStarted.name)
    return ""


def _details(outcome: Outcome) -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(
        errorType=outcome.error_type or "Error",
        errorMessage=outcome.error or "no message",
        stackTrace=wrappers_pb2.StringValue(value=outcome.traceback),
        isNonRetriable=outcome.error_type == "LookupError",
    )


def _failed_turn(outcome: Outcome) -> pb.OrchestratorResponse:
    """End the orchestration as failed: leaving its turn unanswered would leave it running for good."""
    end = pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=_details(outcome)
    )
    return pb.OrchestratorResponse(actions=[pb.OrchestratorAction(id=-1, completeOrchestration=end)])
