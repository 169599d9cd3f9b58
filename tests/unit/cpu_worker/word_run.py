"""A run of the letters workload on a cloud in memory, brought to each stage of its life by hand."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from letters_workload import LettersOptions

from cpu_worker.documents import lines
from cpu_worker.ports import Ports
from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.cloud.operations import Interrupt, Operation
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.identity import digest
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Lane
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.request import AdmittedRun, InputRef, ModelRef, RunPolicy
from dropscore.contracts.run import RunSource, RunState, RunStatus, StageTime
from dropscore.contracts.verdict import ItemTiming, Outcome, PartRef, PieceResult, Verdict, WorkerFacts

RUN = "words-3f9a0c1d2e4b5a67"


@dataclass
class WordRun:
    """A run in a blob store; the reasons of its nudges are remembered."""

    blobs: BlobStore
    clock: Clock
    nudges: list[str] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        return Ports(blobs=self.blobs, clock=self.clock, nudge=lambda run_id, reason: self.nudges.append(reason))

    def admit(self, words: Sequence[bytes], *, model: ModelRef | None = None, **options: Json) -> AdmittedRun:
        refs = [self._upload(f"words/{place}.txt", word) for place, word in enumerate(words)]
        text = b"".join(encode_bytes(ref) + b"\n" for ref in refs)
        full = LettersOptions.model_validate(options)
        admission = AdmittedRun(
            run_id=RUN,
            workload="letters",
            options=dict(encode(full)),  # type: ignore[arg-type]
            model=model,
            lane=Lane.NORMAL,
            policy=RunPolicy(),
            input_count=len(refs),
            input_bytes=sum(ref.size_bytes for ref in refs),
            options_digest=digest(full),
        )
        self.put(layout.inputs(RUN), text)
        self.put(layout.admission(RUN), encode_bytes(admission))
        self.put(layout.state(RUN), encode_bytes(self._state()))
        return admission

    def shards(self) -> list[ShardSpec]:
        """The plan as it lies in storage."""
        prefix = BlobPath(layout.plan_index(RUN).container, f"{RUN}/plan/shards-")
        return [shard for page in self.blobs.list(prefix) for shard in lines(ShardSpec, self.bytes(page.path))]

    def score(
        self,
        *,
        failed: Sequence[int] = (),
        attempts: dict[int, int] | None = None,
        divided: Mapping[int, Sequence[int]] | None = None,
    ) -> None:
        """Do what a worker does: a part and a verdict for each shard. Those in `divided` are divided into pieces of one
        letter, of which some (counted from 0 in the shard) failed.
        """
        for shard in self.shards():
            if divided and shard.shard_id in divided:
                self._divide(shard, divided[shard.shard_id])
            else:
                self._settle(shard, failed=shard.shard_id in failed, attempt=(attempts or {}).get(shard.shard_id, 1))

    def put(self, path: BlobPath, data: bytes) -> str:
        return self.blobs.put(path, data)

    def exists(self, path: BlobPath) -> bool:
        return self.blobs.head(path) is not None

    def _upload(self, name: str, data: bytes) -> InputRef:
        return InputRef(name=name, etag=self.put(layout.input_file(name), data), size_bytes=len(data))

    def _state(self) -> RunState:
        now = self.clock.now()
        return RunState(
            run_id=RUN,
            status=RunStatus.STITCHING,
            source=RunSource(kind="http", idempotency_key="k"),
            created_at=now,
            updated_at=now,
            stages=tuple(
                StageTime(status=status, at=now)
                for status in (RunStatus.PENDING, RunStatus.PLANNING, RunStatus.SCORING, RunStatus.STITCHING)
            ),
        )

    def _divide(self, shard: ShardSpec, failed: Sequence[int]) -> None:
        pieces: list[PieceResult] = []
        for number in range(shard.items):
            item = shard.first_item + number
            start = int(str(shard.work["start"])) + number
            alone = shard.model_copy(update={"first_item": item, "items": 1, "work": {"start": start}})
            verdict = self._settle(alone, failed=number in failed, attempt=1)
            why = verdict.failure and verdict.failure.model_copy(update={"item": item})
            pieces.append(
                PieceResult(first_item=item, items=1, outcome=verdict.outcome, part=verdict.part, failure=why)
            )
        whole = verdict.model_copy(
            update={
                "outcome": Outcome.SPLIT,
                "items_done": shard.items - len(failed),
                "items_failed": len(failed),
                "pieces": tuple(pieces),
                "part": None,
                "failure": None,
            }
        )
        self.put(layout.verdict(RUN, shard.shard_id), encode_bytes(whole))

    def _settle(self, shard: ShardSpec, *, failed: bool, attempt: int) -> Verdict:
        ref = next(
            line
            for place, line in enumerate(lines(InputRef, self.bytes(layout.inputs(RUN))))
            if place == shard.input_index
        )
        start = shard.work["start"]
        assert isinstance(start, int)
        data = self.bytes(layout.input_file(ref.name))[start : start + shard.items].upper()
        made = hashlib.sha256(data).hexdigest()
        path = layout.part(RUN, shard.shard_id, made, "txt")
        part = None if failed else PartRef(path=path.name, sha256=made, size_bytes=len(data), media_type="text/plain")
        if not failed:
            self.put(path, data)
        items = tuple(
            ItemTiming(item=item, decode_s=0.001, predict_s=0.01 + 0.001 * item)
            for item in range(shard.first_item, shard.first_item + shard.items)
        )
        verdict = Verdict(
            run_id=RUN,
            shard_id=shard.shard_id,
            outcome=Outcome.FAILED if failed else Outcome.DONE,
            items_done=0 if failed else shard.items,
            items_failed=shard.items if failed else 0,
            part=part,
            failure=failure(Code.SHARD_FAILED, "it broke", shard_id=shard.shard_id) if failed else None,
            attempt=attempt,
            worker=WorkerFacts(worker=f"w{shard.shard_id % 2}", device="cpu", code_version="0.1.0"),
            started_at=self.clock.now(),
            duration_s=0.5,
            items=() if failed else items,
        )
        self.put(layout.verdict(RUN, shard.shard_id), encode_bytes(verdict))
        return verdict

    def bytes(self, path: BlobPath) -> bytes:
        return self.blobs.get(path).data


@dataclass
class MemoryWordRun(WordRun):
    """The same on a cloud in memory, which tells what was asked of it."""

    blobs: MemoryBlobs
    clock: ManualClock


def fail_once_at(target: str, kind: str) -> Interrupt:
    """An interrupt that lets storage fail once, at one operation."""
    failed: list[bool] = []

    def interrupt(operation: Operation) -> None:
        if operation.target == target and operation.kind == kind and not failed:
            failed.append(True)
            raise TransientCloudError("no answer")

    return interrupt
