"""A whole run of style transfer over storage in memory: planned, scored by a worker that is there, stitched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from activities.shards import ShardActivities
from activities.verdicts import VerdictActivities
from cpu_worker.plan import plan_run
from cpu_worker.ports import Ports
from cpu_worker.stitch import stitch_run
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.base import Json, Stored
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.identity import digest
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import LANE_QUEUES, Lane
from dropscore.contracts.orchestration import CountVerdicts, Enqueue, VerdictCount
from dropscore.contracts.plan import PlanIndex
from dropscore.contracts.quarantine import Quarantined
from dropscore.contracts.receipt import Receipt, StitchResult
from dropscore.contracts.report import Report
from dropscore.contracts.request import AdmittedRun, InputRef, RunPolicy
from dropscore.contracts.run import RunSource, RunState, RunStatus, StageTime
from dropscore.models.registry import ModelRegistry
from dropscore.workloads.style_transfer.options import StyleTransferOptions

POLICY = RunPolicy(target_shard_s=0.5, shard_backoff_s=0.05)


@dataclass
class StyleRun:
    """One run at a time; what it left is read back by the properties."""

    cloud: MemoryCloud
    wait_until: Callable[..., None]
    run_id: str = ""
    made: int = field(default=0)

    def __call__(
        self, files: Mapping[str, bytes], *, planned_with: Mapping[str, bytes] | None = None, **options: Json
    ) -> StitchResult:
        """Run from inputs to report. With `planned_with` the inputs turn bad after planning."""
        self.made += 1
        self.run_id = f"run-{self.made}"
        self._admit({**files, **(planned_with or {})}, decode(StyleTransferOptions, options))
        ports = Ports(blobs=self.cloud.blobs, clock=self.cloud.clock, nudge=lambda run_id, reason: None)
        plan_run(self.run_id, ports)
        if planned_with:
            self._upload(files)
        plan = self.read(PlanIndex, layout.plan_index(self.run_id))
        page = Enqueue(run_id=self.run_id, lane=Lane.NORMAL, next_shard=0, shards=plan.shards)
        ShardActivities(self.cloud.cloud).enqueue_shards(None, encode(page))
        self.wait_until(lambda: self.count(plan.shards).settled == plan.shards, within_s=60, every_s=0.05)
        self.wait_until(lambda: self.cloud.queue.depth(LANE_QUEUES[Lane.NORMAL]) == 0)
        stitch_run(self.run_id, ports)
        return self.read(StitchResult, layout.stitch_result(self.run_id))

    def count(self, shards: int) -> VerdictCount:
        """What the orchestration sees."""
        asked = CountVerdicts(run_id=self.run_id, settled_before=0, items_before=0, failed_before=0, shards=shards)
        return decode(VerdictCount, VerdictActivities(self.cloud.cloud).count_verdicts(None, encode(asked)))

    def output(self, name: str) -> bytes:
        return self.cloud.blobs.get(layout.output(self.run_id, name)).data

    def report(self) -> Report:
        return self.read(Report, layout.report_json(self.run_id))

    def receipt(self) -> Receipt:
        return self.read(Receipt, layout.receipt(self.run_id))

    def quarantined(self) -> list[Quarantined]:
        found = self.cloud.blobs.list(layout.quarantine_prefix(self.run_id))
        return [self.read(Quarantined, info.path) for info in found]

    def read[C: Stored](self, contract: type[C], path: BlobPath) -> C:
        return decode(contract, self.cloud.blobs.get(path).data)

    def _upload(self, files: Mapping[str, bytes]) -> list[InputRef]:
        etags = {name: self.cloud.blobs.put(layout.input_file(name), data) for name, data in files.items()}
        refs = [InputRef(name=name, etag=etags[name], size_bytes=len(data)) for name, data in files.items()]
        lines = b"".join(encode_bytes(ref) + b"\n" for ref in refs)
        self.cloud.blobs.put(layout.inputs(self.run_id), lines)
        return refs

    def _admit(self, files: Mapping[str, bytes], options: StyleTransferOptions) -> None:
        refs = self._upload(files)
        admitted = AdmittedRun(
            run_id=self.run_id,
            workload="style_transfer",
            options=dict(encode(options)),  # type: ignore[arg-type]
            model=ModelRegistry(self.cloud.blobs).resolve("mosaic-night@stable"),
            lane=Lane.NORMAL,
            policy=POLICY,
            input_count=len(refs),
            input_bytes=sum(ref.size_bytes for ref in refs),
            options_digest=digest(options),
        )
        now = self.cloud.clock.now()
        state = RunState(
            run_id=self.run_id,
            status=RunStatus.SCORING,
            source=RunSource(kind="http", idempotency_key="k"),
            created_at=now,
            updated_at=now,
            stages=(StageTime(status=RunStatus.SCORING, at=now),),
        )
        self.cloud.blobs.put(layout.admission(self.run_id), encode_bytes(admitted))
        self.cloud.blobs.put(layout.state(self.run_id), encode_bytes(state))
