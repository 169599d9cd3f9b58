"""Verdicts and parts of a run for the stitcher: read side by side, a little ahead of it."""

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from cpu_worker.documents import lines, read
from cpu_worker.report.ledger import Ledger
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName
from dropscore.contracts.plan import PlanIndex, ShardSpec
from dropscore.contracts.verdict import Outcome, PartRef, Verdict
from dropscore.workloads.base import Binary

READ_AHEAD: Final = 4
"""Parts that are fetched before they are asked for; with the one in use this bounds the memory."""


class RunParts:
    """The `Parts` of one run."""

    def __init__(self, blobs: BlobStore, plan: PlanIndex, side: ThreadPoolExecutor) -> None:
        self._blobs = blobs
        self._plan = plan
        self._side = side
        self._verdicts: list[Verdict] = []
        self._coming: dict[int, Future[bytes]] = {}

    def shards(self) -> Iterator[ShardSpec]:
        """The shards of the plan in order."""
        for page in range(1, self._plan.pages + 1):
            data = self._blobs.get(layout.plan_page(self._plan.run_id, page)).data
            yield from lines(ShardSpec, data)

    def read_verdicts(self, ledger: Ledger) -> None:
        """Read all verdicts, page by page, and count them in `ledger`.

        The timings of their items go to the ledger alone: kept here, those of a million items would fill the
        container's memory.
        """
        for page in range(1, self._plan.pages + 1):
            data = self._blobs.get(layout.plan_page(self._plan.run_id, page)).data
            shards = list(lines(ShardSpec, data))
            for shard, verdict in zip(shards, self._side.map(self._read_verdict, shards), strict=True):
                ledger.add(shard, verdict)
                self._verdicts.append(verdict.model_copy(update={"items": ()}))

    def verdict(self, shard_id: int) -> Verdict:
        """The verdict of a shard, without the timings of its items."""
        return self._verdicts[shard_id]

    def open(self, shard_id: int) -> Binary:
        """The part of a shard whose outcome is done.

        Raises `FailedError` (E-OUTPUT-INVALID) when it is not what its verdict says.
        """
        for ahead in range(shard_id, min(shard_id + 1 + READ_AHEAD, len(self._verdicts))):
            if ahead not in self._coming and self._verdicts[ahead].outcome is Outcome.DONE:
                self._coming[ahead] = self._side.submit(self._fetch, ahead)
        if shard_id not in self._coming:
            raise ValueError(f"shard {shard_id} has no part: its outcome is {self._verdicts[shard_id].outcome}")
        return io.BytesIO(self._coming.pop(shard_id).result())

    def _read_verdict(self, shard: ShardSpec) -> Verdict:
        return read(Verdict, self._blobs, layout.verdict(self._plan.run_id, shard.shard_id))

    def _fetch(self, shard_id: int) -> bytes:
        part = self._verdicts[shard_id].part
        if part is None:
            raise ValueError(f"the verdict of shard {shard_id} is done and names no part")
        data = self._blobs.get(part_path(part)).data
        if hashlib.sha256(data).hexdigest() != part.sha256:
            message = f"the part of shard {shard_id} is not what its verdict says (its digest differs)"
            raise FailedError.of(Code.OUTPUT_INVALID, message, shard_id=shard_id)
        return data


def part_path(part: PartRef) -> BlobPath:
    """Where a part lies: `path` is its name in the container `runs`."""
    return BlobPath(ContainerName.RUNS, part.path)
