"""What must happen besides scoring: cancelled runs stop, lost leases stop, hung work is noticed, logs are kept."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dropscore.cloud.ports import Clock
from gpu_worker.board import Board
from gpu_worker.job import Job, Stop
from gpu_worker.runs import CancelMarks

log = logging.getLogger(__name__)

ROUND_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks at the shards under way. `hung` is called when one takes longer than its run allows."""

    board: Board
    marks: CancelMarks
    clock: Clock
    hung: Callable[[], None]

    def look(self) -> None:
        """One round."""
        jobs = self.board.jobs()
        for run_id in {job.run_id for job in jobs if job.context is not None}:
            if self.marks.cancelled(run_id):
                self._stop(Stop.CANCELLED, [job for job in jobs if job.run_id == run_id])
        self._stop(Stop.LEASE_LOST, [job for job in jobs if not job.lease.held])
        now = self.clock.monotonic()
        for job in jobs:
            late = {what: work for what, work in list(job.at_work.items()) if now > work.until}
            if late:
                log.error("Hangs while %s.", ", ".join(late), extra={**job.fields, "action": "hung"})
                for work in late.values():
                    job.lease.note.late(work.note)
                self.hung()

    def _stop(self, reason: Stop, jobs: list[Job]) -> None:
        for job in jobs:
            self.board.stop(job, reason)


class Caretaker:
    """Calls `rounds` every `ROUND_S` on a thread of its own."""

    def __init__(self, rounds: Callable[[], None]) -> None:
        self._rounds = rounds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current round."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(ROUND_S):
            self._rounds()
