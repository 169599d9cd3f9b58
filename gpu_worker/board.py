"""Where the stages of all shards under way meet: bounded queues between them, and who goes first.

A shard's source puts batches on the board, lanes take them to the device, the shard's sink takes results. Lanes
serve the oldest shard first, so that it is finished and uploaded while younger ones are already decoding. A lane
that finds the oldest waiting for its sink takes from the next: no lane is idle while any batch is ready.
"""

import threading
from collections.abc import Callable

from dropscore.cloud.ports import Clock
from gpu_worker.job import Batch, Job, Pending, Stop, StoppedError

READY_BATCHES = 1
"""Preprocessed batches of one shard that wait for a lane; its source has one more in hand."""
LEAD_S = 0.5
"""Least device time that is left when the next shard is opened."""
STARVED_S = 0.05
"""When a lane had no batch for this long, another shard is opened, whatever is left of the others."""
SMOOTHING = 0.3
"""Share of the newest measurement in a running mean."""


class Board:
    """Shards under way. Thread-safe; a method that waits for a shard raises `StoppedError` when it is to stop.

    At most `most_sources` shards are being decoded and `most_jobs` under way at once; each costs memory. `ended` is
    called, with the lock held, with each shard whose stages have all come to their end.
    """

    def __init__(
        self, clock: Clock, *, lanes: int, most_sources: int, most_jobs: int, ended: Callable[[Job], None]
    ) -> None:
        self._clock = clock
        self._lanes = lanes
        self._most_sources = most_sources
        self._most_jobs = most_jobs
        self._ended = ended
        self._lock = threading.Lock()
        self._for_lanes = threading.Condition(self._lock)
        self._for_worker = threading.Condition(self._lock)
        self._jobs: list[Job] = []
        self._queued: list[Job] = []
        """Those that are to be alone, and are not yet."""
        self._running = 0
        self._idle_since: float | None = None
        self._item_s: float | None = None
        self._opening_s = 0.0
        self._closed = False

    # --- for the worker's loop

    def add(self, job: Job) -> None:
        """A shard starts."""
        with self._lock:
            job.for_source = threading.Condition(self._lock)
            job.for_sink = threading.Condition(self._lock)
            self._jobs.append(job)

    def jobs(self) -> list[Job]:
        """Shards under way, oldest first."""
        with self._lock:
            return list(self._jobs)

    def has_place(self) -> bool:
        """Whether a shard may be started: there is memory for it, and none is under way that must be alone."""
        with self._lock:
            return self._has_place()

    def room(self) -> int:
        """How many shards should be started now."""
        with self._lock:
            if not self._has_place():
                return 0
            unfinished = [job for job in self._jobs if job.remaining]
            if not unfinished:
                return 1
            return int(self._running_dry(unfinished) or self._starved() or self._lanes_apart(unfinished))

    def wait_change(self, timeout_s: float) -> None:
        """Wait until a shard may be started, or for this long."""
        with self._lock:
            self._for_worker.wait(timeout_s)

    def wake(self) -> None:
        """End the current `wait_change`."""
        with self._lock:
            self._for_worker.notify_all()

    def close(self) -> None:
        """Let the lanes end once nothing is left for them."""
        with self._lock:
            self._closed = True
            self._for_lanes.notify_all()

    def stop(self, job: Job, reason: Stop, error: BaseException | None = None) -> None:
        """Stop a shard; the first reason stays."""
        with self._lock:
            if job.stop is None:
                job.stop, job.error = reason, error
                job.ready.clear()
                self._wake_stages(job)

    # --- for a shard's source

    def await_turn(self, job: Job) -> None:
        """Wait, if the shard is to be alone, until all others have ended, but for those that wait for the same."""
        with self._lock:
            if not job.alone:
                return
            self._queued.append(job)
            self._wake_queued()
            try:
                while job.stop is None and not self._is_alone(job):
                    job.for_source.wait()
            finally:
                self._queued.remove(job)
            job.check()

    def await_sunk(self, job: Job, batches: int) -> None:
        """Wait until the sink is done with the first `batches` of a shard."""
        with self._lock:
            while job.sunk < batches and job.stop is None:
                job.for_source.wait()
            job.check()

    def put(self, job: Job, batch: Batch) -> None:
        """Hand on a preprocessed batch; waits while enough of them wait for a lane."""
        with self._lock:
            while len(job.ready) >= READY_BATCHES and job.stop is None:
                job.for_source.wait()
            job.check()
            job.ready.append(batch)
            if not job.decoded:
                job.decoded = True
                self._opening_s = _mean(self._opening_s, self._clock.monotonic() - job.started_at)
            self._for_lanes.notify()

    def sourced(self, job: Job, batches: int) -> None:
        """No more batches will come than this many."""
        with self._lock:
            job.batches = batches
            job.for_sink.notify_all()

    # --- for the lanes

    def take(self) -> tuple[Job, Batch] | None:
        """The next batch to predict, waiting for one; None when the board is closed and nothing is left."""
        with self._lock:
            while (job := self._first_ready()) is None:
                if self._closed and not self._jobs:
                    return None
                self._for_lanes.wait()
            batch = job.ready.popleft()
            self._count(job, 1)
            job.for_source.notify_all()
            if job.batches is not None and not job.ready:
                self._for_worker.notify_all()
            return job, batch

    def give(self, job: Job, batch: Batch, pending: Pending | None) -> None:
        """A lane is done with a batch: here is its result, or None when it failed (say so with `stop` first)."""
        with self._lock:
            self._count(job, -1)
            if pending is not None:
                job.results[batch.number] = (batch, pending)
                job.predicted += len(batch.items)
            self._drop_if_ended(job)
            job.for_sink.notify_all()
            self._for_lanes.notify()

    def measured(self, job: Job, item_s: float) -> None:
        """The device spent this long on each item of a batch."""
        assert job.model is not None
        at_full_rate_s = item_s / min(job.model.parallel, self._lanes)
        with self._lock:
            self._item_s = at_full_rate_s if self._item_s is None else _mean(self._item_s, at_full_rate_s)

    # --- for a shard's sink

    def result(self, job: Job) -> tuple[Batch, Pending] | None:
        """The next result in order, waiting for it; None after the last."""
        with self._lock:
            if job.sunk < job.written:
                job.sunk = job.written
                job.for_source.notify_all()
            while True:
                if job.stop is not None:
                    raise StoppedError(job.stop)
                if job.written in job.results:
                    job.written += 1
                    self._for_lanes.notify()
                    return job.results.pop(job.written - 1)
                if job.batches is not None and job.written >= job.batches:
                    return None
                job.for_sink.wait()

    def stage_ended(self, job: Job) -> None:
        """A shard's source or sink has come to its end, whichever way."""
        with self._lock:
            job.stages -= 1
            self._drop_if_ended(job)

    # --- inside the lock

    def _has_place(self) -> bool:
        sources = sum(job.batches is None for job in self._jobs)
        if self._closed or sources >= self._most_sources or len(self._jobs) >= self._most_jobs:
            return False
        return not any(job.alone for job in self._jobs)

    def _is_alone(self, job: Job) -> bool:
        return self._queued[0] is job and all(other in self._queued for other in self._jobs)

    def _wake_stages(self, job: Job) -> None:
        job.for_source.notify_all()
        job.for_sink.notify_all()
        self._for_lanes.notify_all()
        self._for_worker.notify_all()

    def _wake_queued(self) -> None:
        for job in self._queued:
            job.for_source.notify_all()

    def _drop_if_ended(self, job: Job) -> None:
        if job.stages == 0 and job.running == 0 and job in self._jobs:
            self._jobs.remove(job)
            job.results.clear()
            self._ended(job)
            self._wake_stages(job)
            self._wake_queued()

    def _count(self, job: Job, change: int) -> None:
        """Count batches in lanes, and note since when there are fewer than there could be."""
        job.running += change
        self._running += change
        if job.model is not None and self._running >= job.model.parallel:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self._clock.monotonic()

    def _first_ready(self) -> Job | None:
        return next((job for job in self._jobs if self._may_run(job)), None)

    def _may_run(self, job: Job) -> bool:
        if not job.ready or job.model is None:
            return False
        if self._running >= job.model.parallel or (job.running and not job.model.independent):
            return False
        return job.running + len(job.results) <= job.model.parallel

    def _running_dry(self, unfinished: list[Job]) -> bool:
        if self._item_s is None:
            return False
        left_s = sum(job.remaining for job in unfinished) * self._item_s
        return left_s < max(LEAD_S, 2 * self._opening_s)

    def _starved(self) -> bool:
        opening = any(not job.decoded and job.stop is None for job in self._jobs)
        waited = self._idle_since is not None and self._clock.monotonic() - self._idle_since >= STARVED_S
        return waited and not opening

    def _lanes_apart(self, unfinished: list[Job]) -> bool:
        """Whether shards that cannot be shared between lanes leave some lane without one."""
        apart = [job for job in unfinished if job.model is not None and not job.model.independent]
        return len(apart) == len(unfinished) and len(apart) < min(job.model.parallel for job in apart if job.model)


def _mean(old: float, new: float) -> float:
    return old + SMOOTHING * (new - old)
