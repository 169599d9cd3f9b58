"""The plan of a run: its shards, and what was found in its inputs."""

from typing import Annotated

from pydantic import Field

from dropscore.contracts.base import Contract, Count, Json, RunId, Sha256, Stored
from dropscore.contracts.failures import Failure

SHARDS_PER_PAGE = 1000
MAX_SHARDS = 100_000
MAX_MESSAGE_BYTES = 2048
"""Largest queue message we send."""


class ShardSpec(Contract):
    """A contiguous group of items, scored by one worker.

    `shard_id` counts from 0 over the whole run, in the order of the outputs. `first_item` is the 0-based index
    over the whole run of its first item. `work` is the workload's own description of the range (for a video:
    the timestamps between which its frames lie), small enough for a queue message.
    """

    shard_id: Count
    input_index: Count
    """0-based line of `inputs.jsonl`; for a shard over several inputs, that of the first."""
    first_item: Count
    items: Annotated[int, Field(ge=1)]
    work: dict[str, Json] = {}


class Piece(Contract):
    """A contiguous range of a shard's items, scored on its own after the shard as a whole failed.

    `first_item` is the 0-based index over the whole run, like `ShardSpec.first_item`.
    """

    first_item: Count
    items: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, shard: ShardSpec) -> "Piece":
        """All items of a shard."""
        return cls(first_item=shard.first_item, items=shard.items)

    @property
    def end(self) -> int:
        """The item after the last."""
        return self.first_item + self.items

    def __contains__(self, item: int) -> bool:
        """Whether an item is one of these."""
        return self.first_item <= item < self.end


class ShardMessage(Stored):
    """What travels on a lane's queue: the shard itself, so that no blob is read for it. With `piece`, only those of
    its items are meant.

    `generation` is 0 at first and 1 or more when the shard was put on the queue again; such a message, like one
    delivered before, is checked for a verdict first.
    """

    run_id: RunId
    shard: ShardSpec
    generation: Count = 0
    piece: Piece | None = None
    cut_from: Piece | None = None
    """What the piece was cut from; None also where that is not said."""
    suspected: bool = True
    """Whether an attempt on record may be about these items; where not, none is looked for."""

    @property
    def range(self) -> Piece:
        """The items that are meant: the piece, or all of the shard's."""
        return self.piece or Piece.of(self.shard)


class InputSummary(Contract):
    """What the planner found in one input."""

    input_index: Count
    name: str
    items: Count
    facts: dict[str, Json] = {}
    """The workload's own facts, such as codec, size, rate and duration of a video."""
    notes: tuple[str, ...] = ()
    """What is unusual, one sentence each, shown in the report."""
    sha256: Sha256 | None = None


class PlanIndex(Stored):
    """`plan/index.json`: written last, so a plan that has one is whole.

    `refused` names the inputs that cannot be scored; the others go on without them.
    """

    run_id: RunId
    shards: Count
    items: Count
    pages: Count
    inputs: tuple[InputSummary, ...]
    refused: tuple[Failure, ...] = ()
    facts: dict[str, Json] = {}
    """What stitching needs to know of the whole run, as the workload's planner put it."""
    shard_items: Count
    """Items of a full shard, as chosen."""
    reason: str
    """Why this shard size, in one sentence with its figures."""
    planner: str = ""
    """Code version that made the plan."""
    duration_s: float = 0.0


class RunEvent(Stored):
    """A message of the queue `run-events`: look at this run again."""

    run_id: RunId
    reason: str = ""
    look_at_workers: bool = False
    """Sent by a run's end, to be seen once idle workers should have left: those still there are ended."""
