"""One life of a worker: puts it together from the environment and runs it.

Settings come from the environment (`WorkerSettings`); exit codes are `Exit`. Logs are JSON lines on stderr, and what
concerns a run is stored in `logs/<run_id>/<worker>.log`. Who starts it, and another one after it, is the `keeper`.

Nothing here imports torch at once: where the keeper has not, the first messages are leased while it is imported.
"""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

import dropscore
from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_queue import connect_queue
from dropscore.cloud.clock import SystemClock
from dropscore.cloud.json_log import JsonLines
from dropscore.cloud.operations import Operations
from dropscore.cloud.outage import Turns
from dropscore.cloud.settings import WorkerSettings
from dropscore.cloud.transport import quiet_vendor_logs
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import FailedError, SettingsError
from dropscore.contracts.names import Account
from dropscore.contracts.verdict import WorkerFacts
from dropscore.workloads.registry import BUILT_IN, resolve, workload
from gpu_worker.allocator import keep_memory
from gpu_worker.attempts import Attempts
from gpu_worker.desk import compose_desk
from gpu_worker.exits import Exit
from gpu_worker.heir import Heir
from gpu_worker.lives import LEASE_S, Life
from gpu_worker.records import Records
from gpu_worker.remembered import RememberedBlobs
from gpu_worker.run_logs import RunLogs
from gpu_worker.runs import FindWorkload
from gpu_worker.sides import Desk, Scoring
from gpu_worker.will import Will
from gpu_worker.worker import Worker

log = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
SINGLE_THREAD: Final = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read by torch's libraries when they are loaded: lanes are threads of ours, and do not share out their work."""
SWITCH_S: Final = 0.0001
"""A thread that comes back from the device waits at most this long for the interpreter (Python's default is 5 ms)."""


MIB: Final = 2**20


def main(environment: Mapping[str, str], life: Life) -> Exit:
    """Live until it is time to leave."""
    prepare_process()
    try:
        settings = WorkerSettings.from_env(environment)
    except SettingsError as error:
        print(error, file=sys.stderr)  # there are no logs yet
        return Exit.SETTINGS
    return run_worker(settings, life=life)


def prepare_process() -> None:
    """What must be set before the first thread and before torch is imported."""
    keep_memory()
    os.environ.update(SINGLE_THREAD)
    sys.setswitchinterval(SWITCH_S)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def import_for_lives(lives: int) -> None:
    """Import in the keeper what its lives need, there having been so many: torch before the first, which imports what
    its own runs need by itself; for those after it what any workload needs. Touches no device.
    """
    prepare_process()
    if lives == 0:
        import_module("gpu_worker.compose")
    else:
        for definition in BUILT_IN:
            resolve(definition.scoring)
    gc.freeze()


def run_worker(
    settings: WorkerSettings,
    *,
    operations: Operations | None = None,
    find_workload: FindWorkload = workload,
    life: Life | None = None,
) -> Exit:
    """Run a worker in a prepared process. `operations` counts what it asks of storage; without a `life` nobody comes
    after it.
    """
    started = time.monotonic()
    settings = _as_before(settings, life.before) if life else settings
    logs = set_up_logs(settings.name)
    quiet_vendor_logs()
    storages = {Account.DATA: settings.data, Account.SYSTEM: settings.system}
    will = life.will if life else Will()
    turns = Turns()
    queue = connect_queue(storages, operations, turns=turns)
    blobs = RememberedBlobs(connect_blobs(storages, operations, turns=turns), life.records if life else Records())
    before = life.before if life else {}
    shaky, lease_s = life is not None and life.number > 1, before.get(LEASE_S)
    desk = compose_desk(blobs, queue, SystemClock(), logs, will=will, shaky=shaky, lease_s=lease_s)
    will.introduce(_facts(settings) | ({LEASE_S: lease_s} if lease_s else {}))
    worker = Worker(desk, idle_exit_s=settings.idle_exit_s, end=os._exit if life else None)
    _leave_on_signal(worker)
    if life and life.last:
        return _give_back(desk, life)
    coming = in_background(lambda: _scoring(settings, desk, worker, find_workload))
    if life:
        _inherit(desk, life)
    log.info("Started.", extra={"action": "started", "seconds": round(time.monotonic() - started, 3)})
    try:
        return worker.run(coming)
    except FailedError as error:
        log.error("There is no device to work on: %s", error, extra={"action": "no_device"})  # noqa: TRY400
        return Exit.NO_DEVICE


def _facts(settings: WorkerSettings) -> dict[str, object]:
    """What the keeper and the heir need to know of this process; its device comes later."""
    worker = WorkerFacts(worker=settings.name, device="", code_version=dropscore.__version__)
    return {"worker": encode(worker), "memory_limit_bytes": settings.memory_limit_mib * MIB}


def _as_before(settings: WorkerSettings, before: Mapping[str, Any]) -> WorkerSettings:
    """The worker keeps its name, and its device where that may be chosen: one whose GPU is gone does not become a
    slow one.
    """
    if "worker" in before:
        settings = replace(settings, name=before["worker"]["worker"])
    if "device" in before and settings.device == "auto":
        settings = replace(settings, device=before["device"])
    return settings


def _inherit(desk: Desk, life: Life) -> None:
    attempts = Attempts(desk.blobs, desk.clock)
    lanes = None if life.last else desk.lanes
    Heir(queue=desk.queue, clock=desk.clock, attempts=attempts, lanes=lanes).settle(life.estate)


def _give_back(desk: Desk, life: Life) -> Exit:
    """A life that only sees to what is left."""
    _inherit(desk, life)
    desk.logs.store(desk.blobs, now=True)
    return Exit.TERMINATED


def set_up_logs(worker: str) -> RunLogs:
    """JSON lines on stderr, and a copy of what names a run."""
    logs = RunLogs(worker)
    for handler in (logging.StreamHandler(), logs):
        handler.setFormatter(JsonLines(worker=worker))
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    return logs


def _leave_on_signal(worker: Worker) -> None:
    """A thread of its own waits for the signals, so that none interrupts a call in the middle."""

    def wait() -> None:
        signal.sigwait(STOP_SIGNALS)
        worker.leave(Exit.TERMINATED)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _scoring(settings: WorkerSettings, desk: Desk, worker: Worker, find_workload: FindWorkload) -> Scoring:
    """The device side: imports torch."""
    from gpu_worker.compose import compose_scoring

    return compose_scoring(
        desk,
        worker.ended,
        name=settings.name,
        device=settings.device,
        lanes=settings.lanes,
        model_budget_bytes=settings.model_budget_bytes,
        find_workload=find_workload,
    )


def in_background[T](make: Callable[[], T]) -> Future[T]:
    """The result of `make`, being made on a thread of its own."""
    coming = Future[T]()

    def run() -> None:
        try:
            coming.set_result(make())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the result
            coming.set_exception(error)

    threading.Thread(target=run, name="import-torch", daemon=True).start()
    return coming
