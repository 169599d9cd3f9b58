"""Which shards of a run are settled, from the names and metadata of their verdicts."""

from collections.abc import Iterator
from dataclasses import dataclass

from dropscore.cloud.ports import BlobInfo, BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.glance import glance_at, glance_of
from dropscore.contracts.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A shard that has a verdict, and how its items came out."""

    shard_id: int
    items_done: int
    items_failed: int
    worker_s: float
    """Seconds in which a worker scored it for this run."""


def settled_shards(blobs: BlobStore, run_id: str, *, from_shard: int, shards: int) -> Iterator[Settled]:
    """The settled shards from `from_shard` on and below `shards`, in order.

    They are read from the metadata that the worker puts on a verdict; a verdict without them is read itself.
    """
    for shard_id, info in _listed(blobs, run_id, from_shard, shards, with_metadata=True):
        seen = glance_of(info.metadata)
        if seen is None:
            seen = glance_at(decode(Verdict, blobs.get(info.path).data), info.modified_at)
        yield Settled(
            shard_id=shard_id, items_done=seen.items_done, items_failed=seen.items_failed, worker_s=seen.duration_s
        )


def settled_ids(blobs: BlobStore, run_id: str, *, from_shard: int, shards: int) -> set[int]:
    """Ids of the settled shards from `from_shard` on and below `shards`."""
    return {shard_id for shard_id, _ in _listed(blobs, run_id, from_shard, shards, with_metadata=False)}


def _listed(
    blobs: BlobStore, run_id: str, from_shard: int, shards: int, *, with_metadata: bool
) -> Iterator[tuple[int, BlobInfo]]:
    first = layout.verdict(run_id, from_shard).name
    for info in blobs.list(layout.verdicts_prefix(run_id), start_from=first, with_metadata=with_metadata):
        stem = info.path.name.rpartition("/")[2].removesuffix(".json")
        if stem.isdecimal() and from_shard <= int(stem) < shards:
            yield int(stem), info
