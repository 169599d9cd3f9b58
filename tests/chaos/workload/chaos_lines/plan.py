"""Cuts the lines of the one input into shards."""

from chaos_lines.lines import LINE_BYTES
from chaos_lines.options import LinesOptions
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import InputSummary, Piece, ShardSpec
from dropscore.workloads.base import InputFiles, Plan, PlanRequest, WorkloadOptions


def plan(request: PlanRequest) -> Plan:
    """Shards of equal size, the last one smaller."""
    options = request.options
    assert isinstance(options, LinesOptions)
    (ref,) = request.inputs.refs
    if ref.size_bytes % LINE_BYTES:
        raise FailedError.of(Code.INPUT_CORRUPT, f"{ref.name!r} does not end with a whole line", input=ref.name)
    items, size = ref.size_bytes // LINE_BYTES, options.shard_items
    shards = tuple(
        ShardSpec(
            shard_id=number, input_index=0, first_item=first, items=min(size, items - first), work={"from_item": first}
        )
        for number, first in enumerate(range(0, items, size))
    )
    summary = InputSummary(input_index=0, name=ref.name, items=items)
    return Plan(
        shards=shards, inputs=(summary,), refused=(), facts={}, shard_items=size, reason=f"{size} lines each, as asked."
    )


def narrow(shard: ShardSpec, piece: Piece, options: WorkloadOptions, inputs: InputFiles) -> ShardSpec:
    """The same shard with these items only."""
    work = {"from_item": piece.first_item}
    return shard.model_copy(update={"first_item": piece.first_item, "items": piece.items, "work": work})
