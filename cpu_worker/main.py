"""The container's commands.

    python -m cpu_worker plan --run RUN_ID
    python -m cpu_worker stitch --run RUN_ID

Settings come from the environment (`WorkerSettings`). Both commands look first whether their product exists, so
running one twice, or killing it and running it again, is harmless.

Exit codes:
    0    the product exists
    1    unexpected: the traceback is in the log
    2    wrong command line or settings
    3    the work cannot be done, and why is written down (`plan-failure.json`, `stitch-failure.json`): not worth
         another try
    75   storage did not answer: worth another try
    143  ended by SIGTERM

Logs are JSON lines on stderr; they are also added to `logs/<run_id>/plan.log` or `stitch.log`.
"""

import argparse
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from types import FrameType
from typing import Final, NoReturn

from cpu_worker.ports import Ports
from dropscore.cloud.clock import SystemClock
from dropscore.cloud.json_log import JsonLines, LogBuffer
from dropscore.cloud.patience import lasting
from dropscore.cloud.ports import BlobStore, MessageQueue
from dropscore.cloud.settings import WorkerSettings
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import (
    DropscoreError,
    FailedError,
    NotFoundError,
    PermanentCloudError,
    SettingsError,
    TransientCloudError,
)
from dropscore.contracts.names import Account, QueueName, Role
from dropscore.contracts.plan import RunEvent
from dropscore.contracts.refusals import refusal_of

LOG: Final = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit codes; see the module's text."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    PERMANENT = 3
    TRANSIENT = 75
    TERMINATED = 143


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    role, run_id = _parse(arguments)
    signal.signal(signal.SIGTERM, _leave)
    buffer = _log_to_stderr_and_buffer(role, run_id)
    try:
        settings = WorkerSettings.from_env(os.environ)
    except SettingsError as error:
        LOG.error("The settings are wrong: %s", error)  # noqa: TRY400  # the sentence says all
        return Exit.USAGE
    ports = connect(settings)
    try:
        return run_command(role, run_id, ports)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever saw the product ends us now: only the log is left to do
        with suppress(DropscoreError):
            keep_log(ports.blobs, role, run_id, buffer.take())


def run_command(role: Role, run_id: str, ports: Ports) -> Exit:
    """Do the work of a role and say how it went. The one place where every exception ends."""
    try:
        return _work(role, run_id, ports)
    except TransientCloudError:
        LOG.exception("Storage did not answer.", extra={"action": "gave_up"})
        return Exit.TRANSIENT
    except Exception:  # the container's boundary: whatever it was, the log has it and the next attempt may do better
        LOG.exception("Something unexpected happened.", extra={"action": "gave_up"})
        return Exit.UNEXPECTED


def _work(role: Role, run_id: str, ports: Ports) -> Exit:
    try:
        _command(role)(run_id, ports)
    except (FailedError, PermanentCloudError) as error:
        why = error.failure if isinstance(error, FailedError) else refusal_of(error)
        if why is None:
            raise
        LOG.error("%s", error, extra={"action": "failed", "code": why.code.value})  # noqa: TRY400
        ports.blobs.put(layout.stage_failure(run_id, role), encode_bytes(why), content_type="application/json")
        ports.nudge(run_id, f"{role} failed")
        return Exit.PERMANENT
    return Exit.OK


def connect(settings: WorkerSettings) -> Ports:
    """The real ports."""
    from dropscore.cloud.azure_blobs import connect_blobs
    from dropscore.cloud.transport import quiet_vendor_logs

    quiet_vendor_logs()
    storages = {Account.DATA: settings.data, Account.SYSTEM: settings.system}
    blobs = connect_blobs(storages, patience=lasting(settings.storage_patience_s))
    return Ports(blobs=blobs, clock=SystemClock(), nudge=lambda run_id, reason: nudge(_queue(settings), run_id, reason))


def nudge(queue: MessageQueue, run_id: str, reason: str) -> None:
    """Tell who waits for the run to look now. Whether it arrives does not matter: they also look by themselves."""
    try:
        queue.send(QueueName.RUN_EVENTS, encode_bytes(RunEvent(run_id=run_id, reason=reason)))
    except DropscoreError as error:
        LOG.warning("The nudge was not sent: %s", error)


def keep_log(blobs: BlobStore, role: Role, run_id: str, text: bytes) -> None:
    """Add the text to the log of this role: earlier attempts stand before it."""
    if not text:
        return
    path = layout.log(run_id, role)
    try:
        earlier = blobs.get(path).data
    except NotFoundError:
        earlier = b""
    blobs.put(path, earlier + text, content_type="application/x-ndjson")


def _command(role: Role) -> Callable[[str, Ports], None]:
    """Imported late: each command needs what the other does not."""
    if role is Role.PLAN:
        from cpu_worker.plan import plan_run

        return plan_run
    from cpu_worker.stitch import stitch_run

    return stitch_run


def _queue(settings: WorkerSettings) -> MessageQueue:
    from dropscore.cloud.azure_queue import connect_queue

    return connect_queue({Account.SYSTEM: settings.system})


def _parse(arguments: Sequence[str]) -> tuple[Role, str]:
    parser = argparse.ArgumentParser(
        prog="python -m cpu_worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=[role.value for role in Role], help="what to do")
    parser.add_argument("--run", required=True, metavar="RUN_ID", help="the run to do it for")
    parsed = parser.parse_args(arguments)
    return Role(parsed.command), parsed.run


def _log_to_stderr_and_buffer(role: Role, run_id: str) -> LogBuffer:
    buffer = LogBuffer()
    lines = JsonLines(run_id=run_id, actor=role.value)
    for handler in (logging.StreamHandler(), buffer):
        handler.setFormatter(lines)
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    return buffer


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM: leave at once. Nothing half done is ever visible, and the next attempt begins anew."""
    raise SystemExit(Exit.TERMINATED)
