"""How far ahead of the stitcher parts are fetched: many small ones, few large ones."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cpu_worker.parts import READ_AHEAD, SMALL_AHEAD, SMALL_BYTES, RunParts
from cpu_worker.report.ledger import Ledger
from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.plan import PlanIndex, ShardSpec
from dropscore.contracts.verdict import Outcome, PartRef, Verdict, WorkerFacts

RUN, SHARDS, DATA = "run-1", 2 * SMALL_AHEAD, b"part"


@pytest.mark.parametrize(
    ("size_bytes", "ahead"), [(len(DATA), SMALL_AHEAD), (SMALL_BYTES, READ_AHEAD)], ids=["small", "large"]
)
def test_many_small_parts_are_fetched_ahead_and_few_large_ones(size_bytes: int, ahead: int) -> None:
    cloud = memory_cloud(ManualClock())
    shards = [ShardSpec(shard_id=number, input_index=0, first_item=number, items=1) for number in range(SHARDS)]
    cloud.blobs.put(layout.plan_page(RUN, 1), b"\n".join(encode_bytes(shard) for shard in shards))
    for shard in shards:
        path = layout.part(RUN, shard.shard_id, sha256_hex(DATA), "bin")
        cloud.blobs.put(path, DATA)
        part = PartRef(path=path.name, sha256=sha256_hex(DATA), size_bytes=size_bytes, media_type="text/plain")
        cloud.blobs.create(layout.verdict(RUN, shard.shard_id), encode_bytes(_done(shard, part)))
    plan = PlanIndex.model_construct(run_id=RUN, pages=1)
    fetched = set[str]()
    with ThreadPoolExecutor(4) as side:
        parts = RunParts(cloud.blobs, plan, side, lambda shard, piece: shard)
        parts.read_verdicts(Ledger(cloud.clock.now()))
        cloud.blobs.operations.interrupt = lambda operation: fetched.add(operation.target)
        assert parts.open(shards[READ_AHEAD + 1]).read() == DATA

    assert len({target for target in fetched if "/parts/" in target}) == 1 + ahead


def _done(shard: ShardSpec, part: PartRef) -> Verdict:
    return Verdict(
        run_id=RUN,
        shard_id=shard.shard_id,
        outcome=Outcome.DONE,
        items_done=1,
        items_failed=0,
        part=part,
        attempt=1,
        model_digest=None,
        worker=WorkerFacts(worker="w", device="cpu", code_version="0"),
        started_at="2026-01-01T00:00:00.000000Z",
        duration_s=1.0,
    )
