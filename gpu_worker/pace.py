"""How fast shards go here: for leasing the right number of them, and written down for planners to come."""

import logging
import threading
from dataclasses import dataclass

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, DropscoreError, NotFoundError
from dropscore.contracts.measured import Timings
from gpu_worker.job import Job
from gpu_worker.profiles import model_place

log = logging.getLogger(__name__)

SMOOTHING = 0.2
"""Share of the newest shard in a running mean."""
WRITE_S = 60.0
"""Shortest time between two writes of one model's timings."""


@dataclass(slots=True)
class _Mean:
    setup_s: float = 0.0
    megapixel_s: float = 0.0
    shards: int = 0
    written: int = 0
    written_at: float = float("-inf")

    def add(self, setup_s: float, megapixel_s: float) -> None:
        share = SMOOTHING if self.shards else 1.0
        self.setup_s += share * (setup_s - self.setup_s)
        self.megapixel_s += share * (megapixel_s - self.megapixel_s)
        self.shards += 1


class Pace:
    """Measures shards. Thread-safe."""

    def __init__(self, blobs: BlobStore, clock: Clock, *, device_kind: str, lanes: int) -> None:
        self._blobs = blobs
        self._clock = clock
        self._device_kind = device_kind
        self._lanes = lanes
        self._lock = threading.Lock()
        self._last_end: float | None = None
        self._shard_s: float | None = None
        self._means: dict[tuple[str, str], _Mean] = {}

    @property
    def shard_s(self) -> float | None:
        """Seconds from the end of one shard to that of the next while there is work; None before the first."""
        return self._shard_s

    def ended(self, job: Job, publish_s: float | None) -> None:
        """A shard is done with; `publish_s` is None when it was not scored.

        One that had to load its model says nothing about the others.
        """
        with self._lock:
            now = self._clock.monotonic()
            began = job.started_at if self._last_end is None else max(self._last_end, job.started_at)
            self._last_end = now
            if job.model is not None and job.model.load_s:
                return
            taken_s = now - began
            self._shard_s = taken_s if self._shard_s is None else self._shard_s + SMOOTHING * (taken_s - self._shard_s)
            if publish_s is not None and job.context is not None and job.megapixels:
                mean = self._means.setdefault(model_place(job.context.run), _Mean())
                mean.add(job.setup_s + publish_s, taken_s * self._lanes / job.megapixels)

    def write(self) -> None:
        """Store the timings of models that were used, each at most once in `WRITE_S`. Losing one changes nothing."""
        now = self._clock.monotonic()
        with self._lock:
            due = [
                (place, mean)
                for place, mean in self._means.items()
                if mean.shards > mean.written and now - mean.written_at >= WRITE_S
            ]
        for place, mean in due:
            mean.written_at, seen = now, mean.shards
            try:
                self._store(place, mean, mean.shards - mean.written)
                mean.written = seen
            except DropscoreError as error:
                log.warning("Timings were not stored: %s", error, extra={"action": "timings_failed"})

    def _store(self, place: tuple[str, str], mean: _Mean, fresh: int) -> None:
        path = layout.timings(*place, self._device_kind)
        try:
            before = decode(Timings, self._blobs.get(path).data)
        except (NotFoundError, ContractError):
            before = None
        share = 1.0 if before is None else 1 - (1 - SMOOTHING) ** fresh
        old_setup_s, old_megapixel_s = (before.setup_s, before.megapixel_s) if before else (0.0, 0.0)
        timings = Timings(
            device=self._device_kind,
            setup_s=old_setup_s + share * (mean.setup_s - old_setup_s),
            megapixel_s=old_megapixel_s + share * (mean.megapixel_s - old_megapixel_s),
            lanes=self._lanes,
            shards=(before.shards if before else 0) + fresh,
            updated_at=self._clock.now(),
        )
        self._blobs.put(path, encode_bytes(timings), content_type="application/json")
