"""The plan of a run as a table: which items each shard has. A plan never changes once its index is written."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass

from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.plan import PlanIndex, ShardSpec

LOOK_AGAIN_S = 1.0
"""While there is no plan."""
MOST_PLANS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The shards of a run. `first_items` has the first item (0-based over the run) of each, and the end of the last."""

    first_items: "array[int]"

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self.first_items) - 1

    @property
    def items(self) -> int:
        """How many items there are."""
        return self.first_items[-1]

    def items_of(self, shard_id: int) -> range:
        """The items of a shard."""
        return range(self.first_items[shard_id], self.first_items[shard_id + 1])

    def shard_of(self, item: int) -> int | None:
        """The shard that holds an item; None for an item the run has not."""
        return bisect_right(self.first_items, item) - 1 if 0 <= item < self.items else None


class Plans:
    """The plans of the runs that were asked for last."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._known = Coalesced(self._read, clock, fresh_s=LOOK_AGAIN_S, most=MOST_PLANS)

    def plan(self, run_id: str) -> Plan | None:
        """The plan of a run; None while it has none."""
        return self._known(run_id)[0]

    def _read(self, run_id: str, last: tuple[Plan | None] | None) -> tuple[Plan | None]:
        if last is not None and last[0] is not None:
            return last
        try:
            index = decode(PlanIndex, self._blobs.get(layout.plan_index(run_id)).data)
        except NotFoundError:
            return (None,)
        return (self._table(run_id, index),)

    def _table(self, run_id: str, index: PlanIndex) -> Plan:
        first_items, end = array("q"), 0
        for page in range(1, index.pages + 1):
            for line in self._blobs.get(layout.plan_page(run_id, page)).data.splitlines():
                shard = ShardSpec.model_validate_json(line)
                first_items.append(shard.first_item)
                end = shard.first_item + shard.items
        first_items.append(end)
        return Plan(first_items=first_items)
