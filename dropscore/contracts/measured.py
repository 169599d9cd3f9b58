"""What workers measured about a model on a kind of device, kept beside the model for workers and planners to come."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from dropscore.contracts.base import Count, Seconds, Stored


class Precision(StrEnum):
    """Arithmetic of the network. The words are torch's names of the types."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class ExecutionProfile(Stored):
    """How one kind of device runs one model: `models/<name>/<version>/profiles/<device>.json`.

    The first worker that probes writes it, all others obey it, also after a restart: results of one kind of
    device are then the same bits whichever worker made them.
    """

    device: str
    precision: Precision
    channels_last: bool
    batch_items: Annotated[int, Field(ge=1, le=1024)]
    """Items in a batch, for items of `item_bytes`."""
    item_bytes: Annotated[int, Field(ge=1)]
    """Bytes of one decoded item when probed. Larger items get smaller batches (`batch_for`)."""
    reason: str
    """What was timed, in one sentence with its figures."""

    def batch_for(self, item_bytes: int) -> int:
        """Items in a batch of items of this size: as many bytes as were probed, one item at least."""
        return max(1, self.batch_items * self.item_bytes // max(1, item_bytes))


class Timings(Stored):
    """How fast shards of one model go on one kind of device: `models/<name>/<version>/timings/<device>.json`.

    Means over earlier runs in which newer shards count more. Read by planners to choose the size of shards.
    """

    device: str
    setup_s: Seconds
    """One shard besides its items: opening its input, closing, uploading and committing its part."""
    megapixel_s: Seconds
    """What one lane needs for a million pixels, from decoding to encoding."""
    lanes: Annotated[int, Field(ge=1)]
    """Lanes of the worker that wrote this."""
    shards: Count
    """Shards measured so far."""
    updated_at: str
