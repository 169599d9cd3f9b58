"""`python -m gpu_worker`: puts a worker together from the environment and runs it.

Settings come from the environment (`WorkerSettings`); exit codes are `worker.Exit`. Logs are JSON lines on stderr,
and what concerns a run is stored in `logs/<run_id>/<worker>.log`.

Nothing here imports torch at once: the first messages are leased while it is imported in the background.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_queue import connect_queue
from dropscore.cloud.clock import SystemClock
from dropscore.cloud.json_log import JsonLines
from dropscore.cloud.operations import Operations
from dropscore.cloud.settings import WorkerSettings
from dropscore.cloud.transport import quiet_vendor_logs
from dropscore.contracts.errors import FailedError, SettingsError
from dropscore.contracts.names import Account
from dropscore.workloads.registry import workload
from gpu_worker.allocator import keep_memory
from gpu_worker.desk import compose_desk
from gpu_worker.run_logs import RunLogs
from gpu_worker.runs import FindWorkload
from gpu_worker.worker import Desk, Exit, Scoring, Worker

log = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
SINGLE_THREAD: Final = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read by torch's libraries when they are loaded: lanes are threads of ours, and do not share out their work."""


def main(environment: Mapping[str, str]) -> Exit:
    """Run a worker until it leaves."""
    prepare_process()
    try:
        settings = WorkerSettings.from_env(environment)
    except SettingsError as error:
        print(error, file=sys.stderr)  # there are no logs yet
        return Exit.SETTINGS
    return run_worker(settings)


def prepare_process() -> None:
    """What must be set before the first thread and before torch is imported."""
    keep_memory()
    os.environ.update(SINGLE_THREAD)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def run_worker(
    settings: WorkerSettings, *, operations: Operations | None = None, find_workload: FindWorkload = workload
) -> Exit:
    """Run a worker in a prepared process. `operations` counts what it asks of storage."""
    started = time.monotonic()
    logs = set_up_logs(settings.name)
    quiet_vendor_logs()
    storages = {Account.DATA: settings.data, Account.SYSTEM: settings.system}
    desk = compose_desk(connect_blobs(storages, operations), connect_queue(storages, operations), SystemClock(), logs)
    worker = Worker(desk, idle_exit_s=settings.idle_exit_s)
    _leave_on_signal(worker)
    coming = in_background(lambda: _scoring(settings, desk, worker, find_workload))
    log.info("Started.", extra={"action": "started", "seconds": round(time.monotonic() - started, 3)})
    try:
        return worker.run(coming)
    except FailedError as error:
        log.error("There is no device to work on: %s", error, extra={"action": "no_device"})  # noqa: TRY400
        return Exit.NO_DEVICE


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
