"""A task hub whose top-level instances are journalled: those without an end are scheduled again after a restart.

The task hub itself is all in memory. Its instances start again from the beginning, under their own id and with their
first input; they find what they had done in storage, which is the truth.
"""

import logging
from collections import deque
from datetime import UTC, datetime
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.testing.in_memory_backend import OrchestrationInstance
from google.protobuf import wrappers_pb2  # type: ignore[import-untyped]  # it has no types

from localcloud.durable.journal import End, Entry, Journal
from localcloud.durable.taskhub import IN_PROCESS, TaskHub

KEPT_HISTORIES = 200
"""Ended top-level instances whose history and children are kept; of older ones only how they ended."""

_STATUS = "ORCHESTRATION_STATUS_"

_LOG = logging.getLogger(__name__)


class DurableBackend(TaskHub):
    """The task hub of one Functions host, with a journal. The journal is closed by `stop`."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self._children: dict[str, list[str]] = {}
        self._ended: deque[str] = deque()

    def stop(self, grace: float | None = None) -> None:
        """Stop listening, let no timer fire any more and close the journal."""
        super().stop(grace)
        self._journal.close()

    def restore(self) -> list[str]:
        """Take up what the journal holds: schedule instances without an end again, and remember the ended ones.

        Returns the ids of the instances scheduled again. To be called once, before there is any work.
        """
        again = []
        for instance_id, entry in self._journal.entries().items():
            if entry.end is None:
                again.append(instance_id)
                self._schedule(instance_id, entry)
            else:
                self._instances[instance_id] = _ended_instance(instance_id, entry, entry.end)
        return again

    def _schedule(self, instance_id: str, entry: Entry) -> None:
        request = pb.CreateInstanceRequest(
            instanceId=instance_id,
            name=entry.name,
            input=None if entry.input is None else wrappers_pb2.StringValue(value=entry.input),
            version=None if entry.version is None else wrappers_pb2.StringValue(value=entry.version),
            tags=dict(entry.tags),
        )
        super().StartInstance(request, IN_PROCESS)
        if entry.suspended:
            super().SuspendInstance(pb.SuspendRequest(instanceId=instance_id), IN_PROCESS)

    def StartInstance(  # noqa: N802 - named by the protocol, as are all below in this style
        self, request: pb.CreateInstanceRequest, context: Any
    ) -> pb.CreateInstanceResponse:
        """Start an instance; its caller hears of it once the journal is on the disk."""
        with self._lock:
            response = super().StartInstance(request, context)
            self._note_start(response.instanceId)
        self._journal.sync()
        return response

    def RestartInstance(  # noqa: N802
        self, request: pb.RestartInstanceRequest, context: Any
    ) -> pb.RestartInstanceResponse:
        """Start an ended instance again, under its own or a new id."""
        with self._lock:
            response = super().RestartInstance(request, context)
            self._note_start(response.instanceId)
        self._journal.sync()
        return response

    def RewindInstance(  # noqa: N802
        self, request: pb.RewindInstanceRequest, context: Any
    ) -> pb.RewindInstanceResponse:
        """Let a failed instance go on from its last success; after a restart it starts from the beginning."""
        with self._lock:
            response = super().RewindInstance(request, context)
            self._note_start(request.instanceId)
        self._journal.sync()
        return response

    def _note_start(self, instance_id: str) -> None:
        instance = self._instances[instance_id]
        at = instance.created_at.isoformat()
        tags = dict(instance.tags or {})
        entry = Entry(name=instance.name, input=instance.input, version=instance.version, tags=tags, at=at)
        self._journal.started(instance_id, entry)

    def TerminateInstance(  # noqa: N802
        self, request: pb.TerminateRequest, context: Any
    ) -> pb.TerminateResponse:
        """End an instance and, where asked for, its sub-orchestrations."""
        with self._lock:
            for child in self._children.get(request.instanceId, ()) if request.recursive else ():
                self.TerminateInstance(pb.TerminateRequest(instanceId=child, recursive=True), context)
            one = pb.TerminateRequest()
            one.CopyFrom(request)
            one.recursive = False
            response = super().TerminateInstance(one, context)
            self._journal.asked("terminate", request.instanceId)
        return response

    def SuspendInstance(  # noqa: N802
        self, request: pb.SuspendRequest, context: Any
    ) -> pb.SuspendResponse:
        """Hold an instance."""
        response = super().SuspendInstance(request, context)
        self._journal.asked("suspend", request.instanceId)
        return response

    def ResumeInstance(  # noqa: N802
        self, request: pb.ResumeRequest, context: Any
    ) -> pb.ResumeResponse:
        """Let a held instance go on."""
        response = super().ResumeInstance(request, context)
        self._journal.asked("resume", request.instanceId)
        return response

    def PurgeInstances(  # noqa: N802
        self, request: pb.PurgeInstancesRequest, context: Any
    ) -> pb.PurgeInstancesResponse:
        """Forget ended instances."""
        with self._lock:
            before = set(self._instances)
            response = super().PurgeInstances(request, context)
            for instance_id in before - set(self._instances):
                self._journal.asked("purge", instance_id)
        return response

    def _watch_sub_orchestration(self, parent_instance_id: str, sub_instance_id: str, task_id: int) -> None:
        super()._watch_sub_orchestration(parent_instance_id, sub_instance_id, task_id)
        self._children.setdefault(parent_instance_id, []).append(sub_instance_id)

    def _root_ended(self, instance: OrchestrationInstance) -> None:
        failure = instance.failure_details
        end = End(
            status=pb.OrchestrationStatus.Name(instance.status).removeprefix(_STATUS),
            output=instance.output,
            error_type=failure.errorType if failure is not None else None,
            error=failure.errorMessage if failure is not None else None,
            at=(instance.completed_at or datetime.now(UTC)).isoformat(),
        )
        self._journal.ended(instance.instance_id, end)
        longest = self._longest_of(instance.instance_id)
        _LOG.info("%s ended: %s. Its longest history had %d events.", instance.instance_id, end.status, longest)
        self._ended.append(instance.instance_id)
        while len(self._ended) > KEPT_HISTORIES:
            self._drop_history(self._ended.popleft())

    def _longest_of(self, instance_id: str) -> int:
        """Events in the longest history of an instance and of all it has started; forgotten with that."""
        below = (self._longest_of(child) for child in self._children.get(instance_id, ()))
        return max(self._longest.pop(instance_id, 0), *below, 0)

    def _drop_history(self, instance_id: str) -> None:
        for child in self._family(instance_id):
            self._instances.pop(child, None)
        if (instance := self._instances.get(instance_id)) is not None:
            instance.history.clear()

    def _family(self, instance_id: str) -> list[str]:
        """Take out the ids of all instances started by this one, by those, and so on."""
        children = self._children.pop(instance_id, [])
        return [*children, *(below for child in children for below in self._family(child))]


def _ended_instance(instance_id: str, entry: Entry, end: End) -> OrchestrationInstance:
    instance = OrchestrationInstance(
        instance_id=instance_id,
        name=entry.name,
        status=pb.OrchestrationStatus.Value(_STATUS + end.status),
        version=entry.version,
        input=entry.input,
        output=end.output,
        tags=dict(entry.tags),
    )
    if entry.at:
        instance.created_at = datetime.fromisoformat(entry.at)
    if end.at:
        instance.completed_at = instance.last_updated_at = datetime.fromisoformat(end.at)
    if end.error is not None:
        instance.failure_details = pb.TaskFailureDetails(errorType=end.error_type or "", errorMessage=end.error)
    return instance
