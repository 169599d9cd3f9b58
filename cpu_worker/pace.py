"""How fast shards will go: as earlier runs measured it, else assumed."""

from typing import Final

from cpu_worker.documents import parsed, read
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.measured import Timings
from dropscore.contracts.request import ModelRef, RunPolicy
from dropscore.workloads.base import Pace

ASSUMED_SETUP_S: Final = 0.15
ASSUMED_MEGAPIXEL_S: Final = 0.5
"""A small network on one core of a CPU: of all devices the slowest, so the first shards are rather too small."""
ASSUMED_LANES: Final = 2
"""Of one worker."""
LIKELY_WORKERS: Final = 2
"""Workers that a plan counts on, or the run's most if fewer. A pool grows within minutes: a run that is over sooner
is scored by who is there already, and one that lasts longer has more shards than lanes anyway, as no shard may take
longer than the policy's target. Counting on more would cut short videos into shards of a few frames, each with a
key frame of its own."""


def run_pace(blobs: BlobStore, run_id: str, model: ModelRef | None, policy: RunPolicy) -> Pace:
    """The pace to plan a run with.

    Timings that other runs improve all the time are pinned in the run's own folder by whoever plans first, so that
    every attempt at planning cuts the same shards.
    """
    timings = None if model is None else _latest(blobs, model)
    if timings is None:
        return assumed_pace(policy)
    pinned = layout.plan_pace(run_id)
    if not blobs.create(pinned, encode_bytes(timings)):
        timings = read(Timings, blobs, pinned)
    return measured_pace(timings, policy)


def assumed_pace(policy: RunPolicy) -> Pace:
    """The pace of a model that was never timed."""
    return Pace(
        setup_s=ASSUMED_SETUP_S,
        megapixel_s=ASSUMED_MEGAPIXEL_S,
        lanes=ASSUMED_LANES * _workers(policy),
        measured=False,
    )


def measured_pace(timings: Timings, policy: RunPolicy) -> Pace:
    """The pace of a model that was timed."""
    return Pace(
        setup_s=timings.setup_s,
        megapixel_s=timings.megapixel_s,
        lanes=timings.lanes * _workers(policy),
        measured=True,
    )


def _workers(policy: RunPolicy) -> int:
    return min(LIKELY_WORKERS, policy.max_workers)


def _latest(blobs: BlobStore, model: ModelRef) -> Timings | None:
    """What was measured last, on whatever kind of device: the pool is likely still made of it."""
    found = max(
        blobs.list(layout.timings_prefix(model.name, model.version)), key=lambda info: info.modified_at, default=None
    )
    return None if found is None else parsed(Timings, blobs.get(found.path).data)
