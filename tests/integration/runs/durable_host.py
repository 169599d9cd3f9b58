"""A durable host in this process: durabletask's in-memory backend and its own worker, over loopback."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent import futures
from typing import Any

import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
from durabletask.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend
from durabletask.worker import TaskHubGrpcWorker

import orchestrations
from activities.registered import Activity
from dropscore.cloud.durable import DurableRuns
from dropscore.contracts.names import ActivityName, OrchestratorName


class LoopbackBackend(InMemoryOrchestrationBackend):
    """The backend on a free port of this machine alone, which remembers its longest history."""

    longest_history = 0

    def start(self) -> str:
        self._shutdown_event.clear()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
        stubs.add_TaskHubSidecarServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return f"127.0.0.1:{port}"

    def CompleteOrchestratorTask(self, request: Any, context: Any) -> Any:
        with self._lock:
            instance = self._instances.get(request.instanceId)
            if instance is not None:
                size = len(instance.history) + len(instance.dispatched_events) + len(request.actions) + 2
                self.longest_history = max(self.longest_history, size)
        return super().CompleteOrchestratorTask(request, context)


class DurableHost:
    """Runs our orchestrators and the given activities until it is stopped. A stopped one forgets everything."""

    def __init__(self, activities: Mapping[ActivityName, Activity]) -> None:
        self.backend = LoopbackBackend(max_history_size=1_000_000)
        self._activities = activities
        self._address = ""
        self._worker: TaskHubGrpcWorker | None = None

    def start(self) -> "DurableHost":
        self._address = self.backend.start()
        self._worker = TaskHubGrpcWorker(host_address=self._address, emit_trace_spans=False)
        for orchestrator in OrchestratorName:
            self._worker.add_orchestrator(getattr(orchestrations, orchestrator))
        for name, activity in self._activities.items():
            self._worker._registry.add_named_activity(name, activity)
        self._worker.start()
        return self

    def stop(self) -> threading.Thread | None:
        """Stop. The worker takes a second to notice, on the thread returned; it gets no more work meanwhile."""
        self.backend.stop()
        if self._worker is None:
            return None
        leaving = threading.Thread(target=self._worker.stop, name="leaving", daemon=True)
        leaving.start()
        return leaving

    def do[R](self, task: Callable[[DurableRuns], Awaitable[R]]) -> R:
        """Do something with a client of its own, as each invocation of the Function app has one."""

        async def done() -> R:
            async with AsyncTaskHubGrpcClient(host_address=self._address) as client:
                return await task(DurableRuns(client))

        return asyncio.run(done())

    def wait_for(self, instance_id: str, *, within_s: float) -> Any:
        """The final state of an instance."""
        with TaskHubGrpcClient(host_address=self._address) as client:
            return client.wait_for_orchestration_completion(instance_id, timeout=within_s)
