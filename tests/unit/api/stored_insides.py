"""The inside of runs as it lies in storage, written as planners and workers write it."""

from dataclasses import dataclass, field

from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.glance import glance_metadata
from dropscore.contracts.plan import SHARDS_PER_PAGE, PlanIndex, ShardSpec
from dropscore.contracts.verdict import ItemTiming, Outcome, PieceResult, Verdict, WorkerFacts

WORKER = WorkerFacts(worker="w1", device="cpu", code_version="0")


@dataclass(kw_only=True)
class Inside:
    """A run whose shards have `shard_items` items each."""

    memory: MemoryCloud
    run_id: str
    shard_items: int = 10
    shards: int = field(default=0)

    def plan(self, shards: int) -> None:
        """Write a plan of so many shards."""
        self.shards = shards
        specs = [
            ShardSpec(shard_id=one, input_index=0, first_item=one * self.shard_items, items=self.shard_items)
            for one in range(shards)
        ]
        pages = [specs[first : first + SHARDS_PER_PAGE] for first in range(0, shards, SHARDS_PER_PAGE)]
        for number, page in enumerate(pages, start=1):
            self.memory.blobs.put(layout.plan_page(self.run_id, number), b"\n".join(map(encode_bytes, page)))
        index = PlanIndex(
            run_id=self.run_id,
            shards=shards,
            items=shards * self.shard_items,
            pages=len(pages),
            inputs=(),
            shard_items=self.shard_items,
            reason="said so",
        )
        self.memory.blobs.put(layout.plan_index(self.run_id), encode_bytes(index))

    def items_of(self, shard_id: int) -> range:
        """The items of a shard."""
        return range(shard_id * self.shard_items, (shard_id + 1) * self.shard_items)

    def done(self, shard_id: int, *, attempt: int = 1, duration_s: float = 1.0, kept: bool = False) -> Verdict:
        """A shard is scored."""
        items = () if kept else tuple(ItemTiming(item=item, predict_s=0.25) for item in self.items_of(shard_id))
        return self._settle(
            shard_id,
            Outcome.DONE,
            attempt=attempt,
            duration_s=duration_s,
            items=items,
            scored_for="run-earlier" if kept else None,
        )

    def failed(self, shard_id: int) -> Verdict:
        """A whole shard failed."""
        return self._settle(shard_id, Outcome.FAILED, failure=broken(), items_failed=self.shard_items)

    def split(self, shard_id: int, guilty: int) -> Verdict:
        """A shard was divided for one item."""
        items = self.items_of(shard_id)
        pieces = (
            PieceResult(first_item=items[0], items=guilty - items[0], outcome=Outcome.DONE),
            PieceResult(first_item=guilty, items=1, outcome=Outcome.FAILED, failure=broken()),
            PieceResult(first_item=guilty + 1, items=items[-1] - guilty, outcome=Outcome.DONE),
        )
        good = tuple(piece for piece in pieces if piece.items)
        return self._settle(shard_id, Outcome.SPLIT, pieces=good, items_failed=1)

    def _settle(self, shard_id: int, outcome: Outcome, **facts: object) -> Verdict:
        failed = int(str(facts.get("items_failed", 0)))
        verdict = Verdict(
            run_id=self.run_id,
            shard_id=shard_id,
            outcome=outcome,
            items_done=self.shard_items - failed,
            worker=WORKER,
            started_at=self.memory.clock.now(),
            duration_s=1.0,
        ).model_copy(update=facts)
        metadata = glance_metadata(verdict, self.memory.clock.now())
        self.memory.blobs.create(layout.verdict(self.run_id, shard_id), encode_bytes(verdict), metadata=metadata)
        return verdict


def broken() -> Failure:
    """Why something failed."""
    return failure(Code.SHARD_FAILED, "=HYPERLINK() is damaged.")
