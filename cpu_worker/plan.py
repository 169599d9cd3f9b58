"""Plan a run: probe its inputs, cut their items into shards, write the plan down.

1. A plan that has its index is whole: nothing is left to do.
2. Read what was admitted, and how fast such work goes. A replay has the plan of the run it replays.
3. Let the workload's planner look into the inputs.
4. Write the shards in pages, then the index. The index is created only if absent: of two planners at once one
   writes it, and since both cut the same shards it does not matter which.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from typing import Final

from cpu_worker.documents import read
from cpu_worker.inputs import opened_inputs
from cpu_worker.pace import run_pace
from cpu_worker.ports import Ports
from cpu_worker.replay import plan_replay
from dropscore import __version__
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.plan import (
    MAX_MESSAGE_BYTES,
    MAX_SHARDS,
    SHARDS_PER_PAGE,
    PlanIndex,
    ShardMessage,
    ShardSpec,
)
from dropscore.contracts.request import AdmittedRun
from dropscore.workloads.base import InputFiles, Plan, PlanRequest
from dropscore.workloads.registry import options_type, resolve, workload

LOG: Final = logging.getLogger(__name__)
PAGES_SIDE_BY_SIDE: Final = 8


def plan_run(run_id: str, ports: Ports) -> None:
    """Make sure that the run has a plan. Raises `FailedError` for inputs that cannot be planned."""
    blobs = ports.blobs
    with ThreadPoolExecutor(2) as side, opened_inputs(run_id, ports) as inputs:
        admitted = side.submit(read, AdmittedRun, blobs, layout.admission(run_id))
        side.submit(lambda: inputs.refs)  # read ahead: the planner asks for them first
        if blobs.head(layout.plan_index(run_id)) is not None:
            return
        started = ports.clock.monotonic()
        admission = admitted.result()
        if admission.replay_of is not None:
            index = plan_replay(run_id, admission.replay_of, ports)
        else:
            plan = _plan(admission, inputs, ports)
            _check(run_id, plan)
            index = _write(run_id, plan, ports, started)
    ports.nudge(run_id, "planned")
    LOG.info(
        "Planned the run: %d items, shards: %d. %s",
        index.items,
        index.shards,
        index.reason,
        extra={"action": "planned", "duration_s": index.duration_s},
    )


def _plan(admission: AdmittedRun, inputs: InputFiles, ports: Ports) -> Plan:
    definition = workload(admission.workload)
    request = PlanRequest(
        run_id=admission.run_id,
        options=decode(options_type(definition), admission.options),
        inputs=inputs,
        pace=run_pace(ports.blobs, admission.run_id, admission.model, admission.policy),
        target_shard_s=admission.policy.target_shard_s,
    )
    planned: Plan = resolve(definition.planner)(request)
    return planned


def _check(run_id: str, plan: Plan) -> None:
    """Hold a plan to what the queue and the stitcher rely on. Raises `FailedError` for a run that is too large and
    ValueError for a planner that broke its promises.
    """
    if len(plan.shards) > MAX_SHARDS:
        message = f"the run needs {len(plan.shards):,} shards; one run may have {MAX_SHARDS:,}"
        raise FailedError.of(Code.RUN_TOO_LARGE, message)
    next_item = 0
    for shard_id, shard in enumerate(plan.shards):
        if shard.shard_id != shard_id or shard.first_item != next_item:
            raise ValueError(f"shard {shard.shard_id} does not follow on shard {shard_id - 1} at item {next_item}")
        next_item += shard.items
    longest = max(plan.shards, key=lambda shard: len(shard.model_dump_json()), default=None)
    if longest is not None:
        size = len(encode_bytes(ShardMessage(run_id=run_id, shard=longest)))
        if size > MAX_MESSAGE_BYTES:
            raise ValueError(f"shard {longest.shard_id} makes a message of {size} bytes, over {MAX_MESSAGE_BYTES}")


def _write(run_id: str, plan: Plan, ports: Ports, started: float) -> PlanIndex:
    pages = list(batched(plan.shards, SHARDS_PER_PAGE))
    with ThreadPoolExecutor(PAGES_SIDE_BY_SIDE) as side:
        paths = (layout.plan_page(run_id, page) for page in range(1, len(pages) + 1))
        for _ in side.map(lambda page: _write_page(ports, *page), zip(paths, pages, strict=True)):
            pass
    index = PlanIndex(
        run_id=run_id,
        shards=len(plan.shards),
        items=sum(shard.items for shard in plan.shards),
        pages=len(pages),
        inputs=plan.inputs,
        refused=plan.refused,
        facts=dict(plan.facts),
        shard_items=plan.shard_items,
        reason=plan.reason,
        planner=__version__,
        duration_s=ports.clock.monotonic() - started,
    )
    ports.blobs.create(layout.plan_index(run_id), encode_bytes(index))
    return index


def _write_page(ports: Ports, path: BlobPath, shards: Sequence[ShardSpec]) -> None:
    text = b"".join(encode_bytes(shard) + b"\n" for shard in shards)
    ports.blobs.put(path, text, content_type="application/x-ndjson")
