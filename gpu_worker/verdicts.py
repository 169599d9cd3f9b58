"""Writes down how a shard ended: part, verdict, then the message goes. First writer wins."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, NotFoundError, TransientCloudError
from dropscore.contracts.failures import Failure
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.quarantine import Quarantined
from dropscore.contracts.verdict import ItemTiming, Outcome, PartRef, Verdict, WorkerFacts
from gpu_worker.job import Job, Stop, StoppedError

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What of the worker stands in every verdict."""

    name: str
    device: str
    code_version: str
    torch_version: str | None = None


class Verdicts:
    """Publishes parts and verdicts. A worker that has lost its lease publishes nothing."""

    def __init__(self, blobs: BlobStore, clock: Clock, identity: Identity) -> None:
        self._blobs = blobs
        self._clock = clock
        self._identity = identity

    def exists(self, run_id: str, shard_id: int) -> bool:
        """Whether a shard is settled already."""
        return self._blobs.head(layout.verdict(run_id, shard_id)) is not None

    def done(self, job: Job) -> float:
        """Upload a shard's part, then its verdict. Returns the seconds it took. Raises `StoppedError` when the
        lease is lost, `PermanentCloudError` when storage refuses.
        """
        assert job.part is not None
        started = self._clock.monotonic()
        part, digest = job.part, sha256_hex(job.part.data)
        path = layout.part(job.run_id, job.shard_id, digest, part.suffix)
        self._insist(job, lambda: self._blobs.put(path, part.data, content_type=part.media_type))
        upload_s = self._clock.monotonic() - started
        verdict = self._verdict(job, Outcome.DONE, upload_s=upload_s).model_copy(
            update={
                "part": PartRef(path=path.name, sha256=digest, size_bytes=len(part.data), media_type=part.media_type),
                "metrics": dict(part.metrics),
            }
        )
        self._commit(job, verdict)
        return self._clock.monotonic() - started

    def failed(self, job: Job, failure: Failure) -> None:
        """Put a shard into quarantine, then write its verdict. Raises like `done`."""
        shard = job.message.shard
        known = failure.model_copy(update={"shard_id": shard.shard_id})
        quarantined = Quarantined(
            run_id=job.run_id,
            shard=shard,
            input=_input_name(job),
            failure=known,
            attempts=job.lease.message.dequeue_count,
            model_digest=self._model_digest(job),
            worker=self._facts(job),
            at=self._clock.now(),
        )
        path = layout.quarantine(job.run_id, shard.shard_id)
        self._insist(job, lambda: self._blobs.create(path, encode_bytes(quarantined, indent=2)))
        self._commit(job, self._verdict(job, Outcome.FAILED, failure=known))

    def _commit(self, job: Job, verdict: Verdict) -> None:
        """Create the verdict; where another worker's stands, compare and discard ours."""
        path = layout.verdict(job.run_id, job.shard_id)
        data = encode_bytes(verdict)
        metadata = {
            "outcome": verdict.outcome.value,
            "items_done": str(verdict.items_done),
            "items_failed": str(verdict.items_failed),
        }
        if not self._insist(job, lambda: self._blobs.create(path, data, metadata=metadata)):
            self._compare(job, verdict, path)

    def _compare(self, job: Job, ours: Verdict, path: layout.BlobPath) -> None:
        """Say so when two workers made different things of one shard."""
        fields = {**job.fields, "action": "verdict_exists"}
        try:
            theirs = decode(Verdict, self._blobs.get(path).data)
        except (NotFoundError, TransientCloudError, ContractError) as error:
            log.warning("Another verdict stands, and cannot be compared: %s", error, extra=fields)
            return
        same = theirs.outcome is ours.outcome and (theirs.part and theirs.part.sha256) == (
            ours.part and ours.part.sha256
        )
        if same:
            log.info("Another worker's verdict stands; it is the same.", extra=fields)
        else:
            log.warning(
                "E-NONDET: another worker's verdict stands, and it is different from ours (%s, %s).",
                theirs.outcome,
                ours.outcome,
                extra={**fields, "action": "nondeterministic"},
            )

    def _insist[T](self, job: Job, action: Callable[[], T]) -> T:
        """Do it, again and again while storage does not answer and the shard is ours: its work is worth waiting."""
        pause_s = RETRY_FIRST_S
        while True:
            if not job.lease.held or job.stop is Stop.LEASE_LOST:
                raise StoppedError(Stop.LEASE_LOST)
            try:
                return action()
            except TransientCloudError as error:
                log.warning("Storage did not answer; trying again: %s", error, extra=job.fields)
            time.sleep(pause_s)
            pause_s = min(RETRY_MOST_S, 2 * pause_s)

    def _verdict(self, job: Job, outcome: Outcome, *, failure: Failure | None = None, upload_s: float = 0.0) -> Verdict:
        items = job.message.shard.items
        good = items if outcome is Outcome.DONE else 0
        return Verdict(
            run_id=job.run_id,
            shard_id=job.shard_id,
            outcome=outcome,
            items_done=good,
            items_failed=items - good,
            failure=failure,
            attempt=job.lease.message.dequeue_count,
            model_digest=self._model_digest(job),
            worker=self._facts(job),
            started_at=job.started_on,
            duration_s=self._clock.monotonic() - job.started_at,
            upload_s=upload_s,
            model_load_s=job.model.load_s if job.model else 0.0,
            items=tuple(_timing(index, time_) for index, time_ in sorted(job.times.items())),
        )

    def _facts(self, job: Job) -> WorkerFacts:
        profile = job.model.profile if job.model else None
        return WorkerFacts(
            worker=self._identity.name,
            device=self._identity.device,
            code_version=self._identity.code_version,
            torch_version=self._identity.torch_version,
            precision=profile.precision.value if profile else None,
            memory_format=("channels_last" if profile.channels_last else "contiguous") if profile else None,
        )

    def _model_digest(self, job: Job) -> str | None:
        model = job.context.run.model if job.context else None
        return model.digest if model else None


def _timing(index: int, time_: Any) -> ItemTiming:
    return ItemTiming(
        item=index,
        fetch_s=round(time_.fetch_s, 6),
        decode_s=round(time_.decode_s, 6),
        preprocess_s=round(time_.preprocess_s, 6),
        predict_s=round(time_.predict_s, 6),
        postprocess_s=round(time_.postprocess_s, 6),
        encode_s=round(time_.encode_s, 6),
    )


def _input_name(job: Job) -> str:
    """Name of the shard's input; empty when the run's inputs could not be read."""
    if job.context is None:
        return ""
    refs, index = job.context.inputs.refs, job.message.shard.input_index
    return refs[index].name if index < len(refs) else ""
