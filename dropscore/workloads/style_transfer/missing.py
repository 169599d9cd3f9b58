"""What becomes of items that failed for good, in the words of the report."""

from enum import StrEnum

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.verdict import PieceResult


class Missing(StrEnum):
    """What an output shows in place of a result. The end of a sentence about items that could not be scored."""

    ORIGINAL = "and show the original"
    REPEATED = "and show the last good frame again"
    LEFT_OUT = "and are left out"


def cannot_go_on(shard: ShardSpec, ended: PieceResult) -> FailedError:
    """Why a run ends whose items failed for good: their own failure."""
    last = shard.first_item + shard.items - 1
    if ended.failure is None:
        message = f"shard {shard.shard_id} (items {shard.first_item} to {last}) ended as {ended.outcome}"
        return FailedError.of(Code.SHARD_FAILED, message, shard_id=shard.shard_id)
    action = f"Set on_missing to repeat, passthrough or gaps to publish the rest. Or: {ended.failure.action}"
    return FailedError(ended.failure.model_copy(update={"shard_id": shard.shard_id, "action": action}))
