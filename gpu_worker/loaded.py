"""A model in the cache: the scorer, and how to run it."""

import copy
from dataclasses import dataclass

from dropscore.contracts.measured import ExecutionProfile
from dropscore.contracts.plan import ShardSpec
from dropscore.workloads.base import Independent, Item, Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A scorer on the device.

    Attributes:
        key: what it is in the cache.
        digest: SHA-256 of its package; None for a model without one.
        parallel: batches that may be predicted at once: as many as there are lanes, or 2 when this CPU does not do
            the work.
        load_s: seconds it took to load just now; 0 when it was there.
    """

    key: str
    scorer: Scorer
    profile: ExecutionProfile
    digest: str | None
    parallel: int
    load_s: float

    @property
    def independent(self) -> bool:
        """Whether several lanes may score one shard together, in any order."""
        return isinstance(self.scorer, Independent) and self.scorer.independent

    def for_shard(self, shard: ShardSpec) -> Scorer:
        """A copy for one shard, sharing the weights, begun."""
        scorer = copy.copy(self.scorer)
        scorer.begin(shard)
        return scorer


def item_bytes(item: Item) -> int:
    """Bytes of a decoded item; 1 for what has no size."""
    return int(getattr(item.pixels, "nbytes", 1)) or 1
