"""Tells what this worker is doing, for whoever watches: a small blob, written over every few seconds while it works.

It runs on a thread of its own and nothing waits for it: a sign that cannot be written is lost.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.errors import DropscoreError
from dropscore.contracts.worker_sign import (
    MOST_SHARDS,
    MOST_TITLE,
    WorkerSign,
    WorkerState,
    WorkerTask,
    sign_metadata,
)
from gpu_worker.board import Board
from gpu_worker.job import Job

log = logging.getLogger(__name__)

EVERY_S = 3.0
"""Shortest time between two signs."""
ROUND_S = 0.25
_RATED = 4
"""Signs over which the rate is taken."""


class Signs:
    """What one worker tells of itself. `busy` tells whether it has anything to do."""

    def __init__(self, blobs: BlobStore, clock: Clock, board: Board, *, worker: str, device: str) -> None:
        self._blobs = blobs
        self._clock = clock
        self._board = board
        self._path = layout.worker_sign(worker)
        self._device = device[:MOST_TITLE]
        self._stopped = threading.Event()
        self._told: WorkerState | None = None
        self._told_at = float("-inf")
        self._failing = False
        self._settled = 0
        self._seen: deque[tuple[float, int]] = deque(maxlen=_RATED)

    def start(self, busy: Callable[[], bool]) -> None:
        """Begin to tell, until `leave`."""

        def rounds() -> None:
            while not self._stopped.wait(ROUND_S):
                self.look(busy())

        threading.Thread(target=rounds, name="signs", daemon=True).start()

    def settled(self, items: int) -> None:
        """Count items that are done with."""
        self._settled += items

    def look(self, busy: bool) -> None:
        """One round: tell what there is to tell, if it is time."""
        now = self._clock.monotonic()
        state = WorkerState.SCORING if busy else WorkerState.IDLE
        news = busy or self._told is WorkerState.SCORING
        if news and now - self._told_at >= EVERY_S:
            self._told_at = now
            jobs = self._board.jobs()
            self._write(self._sign(state, jobs, self._rate(now, jobs)))
            self._told = state

    def leave(self) -> None:
        """Tell no more: this worker is gone."""
        self._stopped.set()
        if self._told is not None:
            self._quietly(lambda: self._blobs.delete(self._path))

    def _sign(self, state: WorkerState, jobs: Iterable[Job], rate: float | None) -> WorkerSign:
        return WorkerSign(
            device=self._device,
            state=state,
            tasks=tasks_of(jobs),
            items_per_s=rate if state is WorkerState.SCORING else None,
            seen_at=self._clock.now(),
        )

    def _rate(self, now: float, jobs: Iterable[Job]) -> float | None:
        """Items a second over the last signs; None at first."""
        done = self._settled + sum(job.predicted for job in jobs)
        self._seen.append((now, done))
        since, before = self._seen[0]
        return None if now <= since else round(max(0, done - before) / (now - since), 3)

    def _write(self, sign: WorkerSign) -> None:
        self._quietly(lambda: self._blobs.put(self._path, b"", metadata=sign_metadata(sign)))

    def _quietly(self, action: Callable[[], object]) -> None:
        """Do it, or say once that it cannot be done."""
        try:
            action()
            self._failing = False
        except DropscoreError as error:
            if not self._failing:
                log.warning("A sign of life was not written: %s", error, extra={"action": "sign_failed"})
            self._failing = True


def tasks_of(jobs: Iterable[Job]) -> tuple[WorkerTask, ...]:
    """The shards under way by run, in the order in which they began."""
    shards: dict[str, list[int]] = {}
    for job in jobs:
        of_run = shards.setdefault(job.run_id, [])
        if job.shard_id not in of_run and len(of_run) < MOST_SHARDS:
            of_run.append(job.shard_id)
    return tuple(WorkerTask(run_id=run_id, shards=tuple(ids)) for run_id, ids in shards.items())
