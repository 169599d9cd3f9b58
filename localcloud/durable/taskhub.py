"""durabletask's in-memory task hub, taken into the host's process and made fit for days of work.

The host takes work items out by plain calls (`next_orchestration`, `next_activity`) and gives results back the same
way; clients reach the hub by gRPC on loopback. What differs from Microsoft's backend, which is made for tests:

- No limit on history and message size. It listens on loopback alone.
- A parent hears of the end of its sub-orchestration however long that takes; there it gives up after 30 s.
- A timer costs no thread, and dies with the execution that set it: there, a timer set before a continue-as-new
  fires into the next execution, and so does the result of an activity.
- An instance whose event arrives while it is being executed does not hold up the others.
"""

import sys
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc  # type: ignore[import-untyped]  # it has no types
from durabletask.internal import helpers, orchestrator_service_pb2_grpc
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend, OrchestrationInstance
from google.protobuf import wrappers_pb2  # type: ignore[import-untyped]  # it has no types

from localcloud.durable.alarms import Alarm, Alarms

HOST = "127.0.0.1"
RPC_THREADS = 64
"""Calls served at once; a client that waits for an instance to end holds one for as long."""


class RefusedError(Exception):
    """The task hub refused a call made inside this process."""


class InProcess:
    """Stands in for the context of a remote call where the caller is in this process."""

    def abort(self, code: Any, details: str) -> NoReturn:
        """Refuse the call."""
        raise RefusedError(f"{code.name}: {details}")


IN_PROCESS: Any = InProcess()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parent:
    """Who waits for a sub-orchestration: the instance, its execution at that time, and the id of the action."""

    instance_id: str
    execution: int
    task_id: int


class TaskHub(InMemoryOrchestrationBackend):
    """A task hub for one host.

    Inherits because the backend can be changed in no other way; the names it overrides are those of version 1.12.
    """

    def __init__(self) -> None:
        super().__init__(max_history_size=sys.maxsize, port=0)
        self._on_work: Callable[[], None] = lambda: None
        self._alarms = Alarms()
        self._timers: dict[str, list[Alarm]] = {}
        self._executions: dict[str, int] = {}
        """The completion token from which on the present execution of an instance counts; tokens only grow."""
        self._parents: dict[str, _Parent] = {}
        self._asked_again: set[str] = set()
        self._longest: dict[str, int] = {}
        """Events in the longest history that each instance has had."""

    def start(self) -> str:
        """Listen on a free loopback port and return the address as `host:port`."""
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        server = grpc.server(futures.ThreadPoolExecutor(RPC_THREADS, "durable-rpc"), options=unlimited)
        add: Callable[[TaskHub, Any], None] = orchestrator_service_pb2_grpc.add_TaskHubSidecarServiceServicer_to_server
        add(self, server)
        self._port = server.add_insecure_port(f"{HOST}:0")
        server.start()
        self._server = server
        return f"{HOST}:{self._port}"

    def stop(self, grace: float | None = None) -> None:
        """Stop listening and let no timer fire any more."""
        super().stop(grace)
        self._alarms.close()

    def tell(self, on_work: Callable[[], None]) -> None:
        """Call `on_work`, from any thread, whenever there may be something to do."""
        self._on_work = on_work

    def next_orchestration(self) -> pb.WorkItem | None:
        """Take the next orchestration turn: past and new events of one instance. None when there is none."""
        with self._lock:
            while self._orchestration_queue:
                instance_id = self._orchestration_queue.popleft()
                self._orchestration_queue_set.discard(instance_id)
                instance = self._instances.get(instance_id)
                if instance is None or not instance.pending_events:
                    continue
                if self._is_terminal_status(instance.status):
                    instance.pending_events.clear()
                    continue
                return self._turn(instance)
        return None

    def _turn(self, instance: OrchestrationInstance) -> pb.WorkItem:
        events = list(instance.pending_events)
        instance.pending_events.clear()
        if instance.history and not events[0].HasField("orchestratorStarted"):
            events.insert(0, helpers.new_orchestrator_started_event(datetime.now(UTC)))
        instance.dispatched_events = events
        length = len(instance.history) + len(events)
        self._longest[instance.instance_id] = max(length, self._longest.get(instance.instance_id, 0))
        self._orchestration_in_flight.add(instance.instance_id)
        turn = pb.OrchestratorRequest(instanceId=instance.instance_id, pastEvents=instance.history, newEvents=events)
        return pb.WorkItem(completionToken=str(instance.completion_token), orchestratorRequest=turn)

    def next_activity(self) -> pb.WorkItem | None:
        """Take the next activity call. None when there is none."""
        with self._lock:
            if not self._activity_queue:
                return None
            item = self._activity_queue.popleft()
        request = pb.ActivityRequest(
            name=item.name,
            taskId=item.task_id,
            input=None if item.input is None else wrappers_pb2.StringValue(value=item.input),
            orchestrationInstance=pb.OrchestrationInstance(instanceId=item.instance_id),
        )
        return pb.WorkItem(completionToken=str(item.completion_token), activityRequest=request)

    def complete_orchestration(self, response: pb.OrchestratorResponse) -> None:
        """Give back the decisions of an orchestration turn."""
        self.CompleteOrchestratorTask(response, IN_PROCESS)

    def complete_activity(self, response: pb.ActivityResponse) -> None:
        """Give back the result of an activity call."""
        self.CompleteActivityTask(response, IN_PROCESS)

    def CompleteOrchestratorTask(  # noqa: N802 - named by the protocol, as are others below
        self, request: pb.OrchestratorResponse, context: Any
    ) -> pb.CompleteTaskResponse:
        """Take the decisions of a turn, then look again at what arrived meanwhile."""
        with self._lock:
            try:
                return super().CompleteOrchestratorTask(request, context)
            finally:
                self._after_turn(request.instanceId)

    def _after_turn(self, instance_id: str) -> None:
        asked_again = instance_id in self._asked_again
        self._asked_again.discard(instance_id)
        if (instance := self._instances.get(instance_id)) is None:
            return
        if self._is_terminal_status(instance.status):
            self._after_end(instance)
        elif asked_again and instance.pending_events:
            self._enqueue_orchestration(instance_id)

    def _after_end(self, instance: OrchestrationInstance) -> None:
        self._cancel_timers(instance.instance_id)
        self._executions.pop(instance.instance_id, None)
        parent = self._parents.pop(instance.instance_id, None)
        if parent is None:
            self._root_ended(instance)
            return
        waiting = self._instances.get(parent.instance_id)
        current = self._executions.get(parent.instance_id, 0) == parent.execution
        if waiting is not None and current and not self._is_terminal_status(waiting.status):
            waiting.pending_events.append(_end_of_child(parent.task_id, instance))
            self._enqueue_orchestration(parent.instance_id)

    def _root_ended(self, instance: OrchestrationInstance) -> None:
        """Called, with the lock held, when an instance without a parent has ended."""

    def CompleteActivityTask(  # noqa: N802
        self, request: pb.ActivityResponse, context: Any
    ) -> pb.CompleteTaskResponse:
        """Take the result of an activity, unless the execution that wanted it has ended."""
        with self._lock:
            if int(request.completionToken or 0) < self._executions.get(request.instanceId, 0):
                return pb.CompleteTaskResponse()
            return super().CompleteActivityTask(request, context)

    def _enqueue_orchestration(self, instance_id: str) -> None:
        if instance_id in self._orchestration_in_flight:
            self._asked_again.add(instance_id)
            return
        super()._enqueue_orchestration(instance_id)
        self._on_work()

    def _process_schedule_task_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        super()._process_schedule_task_action(instance, action)
        self._on_work()

    def _process_complete_orchestration_action(
        self, instance: OrchestrationInstance, complete_action: pb.CompleteOrchestrationAction
    ) -> None:
        super()._process_complete_orchestration_action(instance, complete_action)
        if complete_action.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            self._executions[instance.instance_id] = self._next_completion_token
            self._cancel_timers(instance.instance_id)

    def _process_create_timer_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        fire_at = action.createTimer.fireAt.ToDatetime(tzinfo=UTC)
        instance.history.append(helpers.new_timer_created_event(action.id, fire_at))
        instance_id, execution = instance.instance_id, self._executions.get(instance.instance_id, 0)

        def fire() -> None:
            with self._lock:
                current = self._instances.get(instance_id)
                if current is None or self._executions.get(instance_id, 0) != execution:
                    return
                if not self._is_terminal_status(current.status):
                    current.pending_events.append(helpers.new_timer_fired_event(action.id, fire_at))
                    self._enqueue_orchestration(instance_id)

        delay_s = (fire_at - datetime.now(UTC)).total_seconds()
        self._timers.setdefault(instance_id, []).append(self._alarms.after(delay_s, fire))

    def _cancel_timers(self, instance_id: str) -> None:
        for alarm in self._timers.pop(instance_id, ()):
            alarm.cancel()

    def _watch_sub_orchestration(self, parent_instance_id: str, sub_instance_id: str, task_id: int) -> None:
        execution = self._executions.get(parent_instance_id, 0)
        self._parents[sub_instance_id] = _Parent(instance_id=parent_instance_id, execution=execution, task_id=task_id)


def _end_of_child(task_id: int, child: OrchestrationInstance) -> pb.HistoryEvent:
    if child.status == pb.ORCHESTRATION_STATUS_COMPLETED:
        return helpers.new_sub_orchestration_completed_event(task_id, child.output)
    details = child.failure_details
    reason = details.errorMessage if details else f"{child.name} was ended before it was done"
    return helpers.new_sub_orchestration_failed_event(task_id, RuntimeError(reason))
