"""The parts of a whole run put together, and what a test asks of them."""

import asyncio
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from durable_host import DurableHost
from stand_ins import Containers, Workers

from activities.catalogue import Catalogue
from activities.ports import Ports
from activities.registered import activities
from activities.run_control import RunControl
from activities.sweeping.starting import Starts
from activities.sweeping.sweep import Sweep
from dropscore.api.starting import Starter
from dropscore.cloud.clock import utc_text
from dropscore.cloud.durable import DurableRuns
from dropscore.cloud.memory import MemoryCloud, MemoryContainers, memory_cloud
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.names import LANE_QUEUES, ContainerName, QueueName
from dropscore.contracts.orchestration import RunEnd
from dropscore.contracts.package import ModelPackage
from dropscore.contracts.plan import RunEvent
from dropscore.contracts.run import CancelMark, RunState
from dropscore.contracts.sweep import SweepDeed, SweepReport

QUICK = {"poll_first_s": 0.01, "poll_most_s": 0.1, "lease_s": 1.0, "stall_s": 2.0, "activity_backoff_s": 0.01}


class HastyClock:
    """The machine's clock, which can be put forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def hasten(self, seconds: float) -> None:
        """Put it forward."""
        self._ahead_s += seconds

    def now(self) -> str:
        return utc_text(datetime.now(UTC) + timedelta(seconds=self._ahead_s))

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s


class House:
    """One Function app over one cloud in memory. `restart` kills the app and starts another on the same cloud."""

    def __init__(self, leaving: list[threading.Thread]) -> None:
        self._leaving = leaving
        self.containers = Containers(memory=lambda: self.memory)
        runner = MemoryContainers(carry=self.containers)
        self.clock = HastyClock()
        self.memory: MemoryCloud = memory_cloud(self.clock, containers=runner)
        self.memory.blobs.operations._remember = False
        self.memory.pool.admit(1)
        self.host = self._new_host()
        self._workers: list[Workers] = []
        self._listening = threading.Event()
        self._listener: threading.Thread | None = None
        self._fill()

    def work(self, **how: Any) -> Workers:
        """Start a resident worker."""
        worker = Workers(self.memory, **how).start()
        self._workers.append(worker)
        return worker

    def listen(self) -> None:
        """Pass the news on `run-events` on, as the Function app's trigger does."""
        self._listening.set()
        self._listener = threading.Thread(target=self._pass_on, name="events", daemon=True)
        self._listener.start()

    def drop(self, body: Any = None, name: str = "film.json") -> str:
        """Drop a trigger file and start its run."""
        text = body if isinstance(body, str) else json.dumps(request() if body is None else body)
        self.memory.blobs.put(layout.trigger(name), text.encode())
        return self.notify(name)

    def notify(self, name: str = "film.json") -> str:
        """Tell of a trigger file, as Event Grid does."""
        run_id = self.host.do(lambda runs: Starter(self.memory.cloud).start_by_trigger(name, runs))
        assert run_id is not None
        return run_id

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop, as the API does."""
        mark = CancelMark(run_id=run_id, at=self.memory.clock.now())
        self.memory.blobs.create(layout.cancel_mark(run_id), encode_bytes(mark))
        self.host.do(lambda runs: runs.nudge(run_id))

    def control(self) -> RunControl:
        """What the API does to a run."""
        return RunControl(self.memory.cloud)

    def suspend(self, run_id: str) -> None:
        """Suspend a run, as the API does."""
        self.control().suspend(run_id, "test")

    def resume(self, run_id: str) -> None:
        """Resume a run, as the API does."""
        self.control().resume(run_id)
        self.host.do(lambda runs: runs.nudge(run_id))

    def rewind(self, run_id: str) -> None:
        """Rewind a run, as the API does."""
        self.control().rewind(run_id)
        assert self.host.do(lambda runs: runs.start_again(run_id))

    def sweep(self, *, after_s: float = 0.0) -> tuple[SweepDeed, ...]:
        """Sweep once, as the timer does, `after_s` later than now; returns what it did."""
        self.clock.hasten(after_s)

        async def swept(runs: DurableRuns) -> SweepReport | None:
            starts = Starts(asyncio.get_running_loop(), runs, Starter(self.memory.cloud))
            return await asyncio.to_thread(Sweep(self.ports(warm_s=30.0)).sweep, starts)

        report = self.host.do(swept)
        assert report is not None
        assert report.problems == ()
        return tuple(act.deed for act in report.acts)

    def end_of(self, run_id: str, *, within_s: float = 60.0) -> RunEnd:
        """Wait for the end of a run; its orchestration must have completed well."""
        ended = self.host.wait_for(run_id, within_s=within_s)
        assert ended is not None
        assert ended.runtime_status.name == "COMPLETED", ended
        return decode(RunEnd, json.loads(ended.serialized_output))

    def lose_host(self) -> None:
        """Kill the app with all it remembers; another one comes, which knows of no run."""
        self._stop_host()
        self.host = self._new_host()

    def restart(self, run_id: str) -> None:
        """Kill the app with all it remembers, and start the run again as the local backend does."""
        self.lose_host()
        assert self.host.do(lambda runs: runs.start(run_id))

    def state(self, run_id: str) -> RunState:
        return decode(RunState, self.memory.blobs.get(layout.state(run_id)).data)

    def output(self, run_id: str) -> bytes:
        return self.memory.blobs.get(layout.output(run_id, "film.txt")).data

    def wait_until_status(self, run_id: str, *statuses: str, within_s: float = 30.0) -> None:
        until = time.monotonic() + within_s
        while self.memory.blobs.stored(layout.state(run_id)) is None or self.state(run_id).status not in statuses:
            assert time.monotonic() < until, f"{run_id} did not come to {statuses}"
            time.sleep(0.002)

    def left_behind(self, run_id: str) -> list[str]:
        """What still costs or waits."""
        messages = [str(queue) for queue in LANE_QUEUES.values() for _ in self.memory.queue.bodies(queue)]
        waiting = [task for task, state in self.memory.pool.tasks.items() if state.value == "waiting"]
        return [*messages, *waiting, *self.memory.containers.names()]

    def blobs(self, container: ContainerName) -> tuple[str, ...]:
        return self.memory.blobs.names(container)

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._listening.clear()
        if self._listener is not None:
            self._listener.join(10)
        self._stop_host()
        self.memory.containers.join(10)

    def _stop_host(self) -> None:
        leaving = self.host.stop()
        if leaving is not None:
            self._leaving.append(leaving)

    def ports(self, *, warm_s: float | None = None) -> Ports:
        """The cloud as the Function app gets it."""
        return Ports(
            cloud=self.memory.cloud,
            containers=self.memory.containers,
            pool=self.memory.pool,
            container_image="cpu",
            container_environment=TaskEnvironment(plain={}, secret={}),
            warm_s=warm_s,
        )

    def _new_host(self) -> DurableHost:
        return DurableHost(activities(self.ports(), Catalogue())).start()

    def _fill(self) -> None:
        package = ModelPackage(
            name="mosaic-night",
            version="1",
            workload="style_transfer",
            title="A style",
            architecture="none",
            files=(),
            licence="MIT",
        )
        self.memory.blobs.put(layout.package("mosaic-night", "1"), encode_bytes(package))
        self.memory.blobs.put(layout.model_alias("mosaic-night", "stable"), b'{"version": "1"}')
        self.memory.blobs.put(layout.input_file("film.mp4"), b"frames")

    def _pass_on(self) -> None:
        while self._listening.is_set():
            messages = self.memory.queue.receive(QueueName.RUN_EVENTS, count=32, lease_s=5)
            runs = {decode(RunEvent, message.body).run_id for message in messages}
            for message in messages:
                self.memory.queue.delete(message)
            for run_id in sorted(runs):
                self.host.do(lambda durable, run_id=run_id: durable.nudge(run_id))
            if not messages:
                time.sleep(0.01)


def request(**fields: Any) -> dict[str, Any]:
    """A request for the film, with quick timings."""
    return {"workload": "style_transfer", "inputs": ["film.mp4"], "policy": QUICK} | fields
