"""All listeners of an app's storage and timer triggers, made from its bindings."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.storage.queue import QueueClient

from localcloud.host.blobs import CONTENT_LIMIT_BYTES, POISON_QUEUE, BlobListener
from localcloud.host.config import ConfigError, HostJson, resolve
from localcloud.host.events import StorageEvents
from localcloud.host.functions import Function, FunctionApp
from localcloud.host.ncrontab import CronError, Schedule
from localcloud.host.paths import BlobPattern
from localcloud.host.queues import QueueListener
from localcloud.host.receipts import Receipts
from localcloud.host.storage import Connections
from localcloud.host.timers import TimerListener
from localcloud.weather.events import lost_events


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The listeners of one app, and the events that wake them."""

    events: StorageEvents
    queues: list[QueueListener] = field(default_factory=list)
    blobs: list[BlobListener] = field(default_factory=list)
    timers: list[TimerListener] = field(default_factory=list)

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What each of them does until cancelled."""
        queues, blobs = [one.run() for one in self.queues], [one.run() for one in self.blobs]
        return [*queues, *blobs, *(one.run() for one in self.timers)]

    async def drain(self, limit_s: float) -> None:
        """Wait until nothing is being handled, or `limit_s` is over."""
        queues, blobs = [one.drain(limit_s) for one in self.queues], [one.drain(limit_s) for one in self.blobs]
        await asyncio.gather(*queues, *blobs)

    @property
    def described(self) -> list[str]:
        """One line for each trigger."""
        lines = [f"{one.function.name}: queueTrigger {one.queue.queue_name}" for one in self.queues]
        lines += [f"{one.function.name}: blobTrigger {one.pattern.path}" for one in self.blobs]
        lines += [f"{one.function.name}: timerTrigger {one.schedule.expression}" for one in self.timers]
        return lines


def listeners_of(
    app: FunctionApp, host_json: HostJson, connections: Connections, receipts: Receipts, *, lease_s: int
) -> Listeners:
    """Make the listeners of an app. Raises `ConfigError` when a binding cannot be served."""
    made = Listeners(events=StorageEvents(asyncio.get_running_loop()))
    for function in app.of_kind("queueTrigger"):
        _add_queue(made, app, function, host_json, connections, lease_s)
    for function in app.of_kind("blobTrigger"):
        _add_blob(made, app, function, host_json, connections, receipts)
    for function in app.of_kind("timerTrigger"):
        made.timers.append(
            TimerListener(app=app, function=function, schedule=_schedule(function, connections.settings))
        )
    return made


def _add_queue(
    made: Listeners,
    app: FunctionApp,
    function: Function,
    host_json: HostJson,
    connections: Connections,
    lease_s: int,
) -> None:
    name = resolve(function.trigger["queueName"], connections.settings)
    connection = function.trigger.get("connection", "")
    queue = connections.queue(connection, name)
    listener = QueueListener(
        app=app,
        function=function,
        queue=queue,
        poison=connections.queue(connection, f"{name}-poison"),
        options=host_json.queues,
        connections=connections,
        lease_s=lease_s,
    )
    made.queues.append(listener)
    made.events.queues[account_of(queue), name] = listener.wake


def _add_blob(
    made: Listeners,
    app: FunctionApp,
    function: Function,
    host_json: HostJson,
    connections: Connections,
    receipts: Receipts,
) -> None:
    pattern = BlobPattern.parse(resolve(function.trigger["path"], connections.settings))
    connection = function.trigger.get("connection", "")
    poison = connections.queue(connection, POISON_QUEUE)
    listener = BlobListener(
        app=app,
        function=function,
        pattern=pattern,
        container=connections.container(connection, pattern.container, read_at_once=CONTENT_LIMIT_BYTES),
        poison=poison,
        poison_threshold=host_json.poison_blob_threshold,
        parallel=asyncio.Semaphore(host_json.max_degree_of_parallelism),
        receipts=receipts,
        connections=connections,
        loses=lost_events(connections.settings),
    )
    made.blobs.append(listener)
    made.events.blobs[account_of(poison), pattern.container] = listener.wake


def account_of(queue: QueueClient) -> str:
    """The name of the storage account of a client."""
    return str(queue.account_name)


def _schedule(function: Function, settings: Mapping[str, str]) -> Schedule:
    try:
        return Schedule.parse(resolve(function.trigger["schedule"], settings))
    except CronError as error:
        raise ConfigError(f"The timer {function.name} cannot be served: {error}") from error
