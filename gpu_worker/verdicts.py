"""Writes down what a shard came to: part, verdict, then the message goes. First writer wins."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, DropscoreError, NotFoundError, TransientCloudError
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.run import KEEP_NO_PARTS, RunState
from dropscore.contracts.verdict import ItemTiming, Outcome, PartRef, Verdict, WorkerFacts
from gpu_worker.attempts import Tried
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.pieces import Pieces, verdict_path

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
    """Publishes parts and verdicts. A worker that has lost its lease publishes nothing, and nobody does for a run that
    was cancelled.
    """

    def __init__(
        self, blobs: BlobStore, clock: Clock, pieces: Pieces, identity: Identity, *, cancelled: Callable[[str], bool]
    ) -> None:
        self._cancelled = cancelled
        self._blobs = blobs
        self._clock = clock
        self._pieces = pieces
        self._identity = identity

    def done(self, job: Job) -> float:
        """Upload a shard's part, then its verdict; of a piece, look whether it was the last. Returns the seconds it
        took. Raises `StoppedError` when the lease is lost or the run was cancelled, `PermanentCloudError` when
        storage refuses.
        """
        assert job.part is not None
        started = self._clock.monotonic()
        part, digest = job.part, sha256_hex(job.part.data)
        path = layout.part(job.run_id, job.shard_id, digest, part.suffix)
        self.insist(job, lambda: self._blobs.put(path, part.data, content_type=part.media_type))
        try:
            self._commit(job, path, digest, upload_s=self._clock.monotonic() - started)
        except StoppedError:
            self._take_back(job, path)
            raise
        self.merge(job)
        return self._clock.monotonic() - started

    def merge(self, job: Job) -> None:
        """A piece has its verdict: look whether it was the last, unless another will that waits here."""
        if job.family is None or not job.family.awaits_sibling(job.message):
            self.insist(job, lambda: self._pieces.merge(job.message))

    def _commit(self, job: Job, path: BlobPath, digest: str, *, upload_s: float) -> None:
        """Write the verdict that names the part at `path`. Another's verdict may stand already."""
        assert job.part is not None
        part = job.part
        verdict = self._verdict(job, upload_s).model_copy(
            update={
                "part": PartRef(path=path.name, sha256=digest, size_bytes=len(part.data), media_type=part.media_type),
                "metrics": dict(part.metrics),
            }
        )
        self.unless_cancelled(job)
        if not self.insist(job, lambda: self._pieces.commit(job.message, verdict)):
            self._compare(job, verdict)
            self._take_back(job, path)

    def unless_cancelled(self, job: Job) -> None:
        """Raises `StoppedError` when the shard's run has been cancelled meanwhile: nothing is committed after that."""
        if self._cancelled(job.run_id):
            raise StoppedError(Stop.CANCELLED)

    def tried(self, job: Job) -> Tried:
        """What is written down about a shard that did not come out."""
        leased = job.lease.message
        return Tried(
            queue=leased.queue,
            message_id=leased.message_id,
            delivery=job.deliveries,
            message=job.message,
            worker=self._facts(job),
            started_at=job.started_on,
            duration_s=self._clock.monotonic() - job.started_at,
            input=_input_name(job),
            model_digest=self._model_digest(job),
        )

    def insist[T](self, job: Job, action: Callable[[], T]) -> T:
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

    def _compare(self, job: Job, ours: Verdict) -> None:
        """Say so when two workers made different things of one shard."""
        fields = {**job.fields, "action": "verdict_exists"}
        try:
            theirs = decode(Verdict, self._blobs.get(verdict_path(job.message)).data)
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

    def _take_back(self, job: Job, path: BlobPath) -> None:
        """Delete a part that was written for nothing if the run's parts have been deleted already: a worker that stood
        still may write one after the run's end. While the run goes on the part may be another verdict's, too.
        """
        try:
            if self._parts_are_gone(job.run_id):
                self._blobs.delete(path)
                log.info("Took back a part that came too late.", extra={**job.fields, "action": "part_taken_back"})
        except DropscoreError as error:
            log.warning("A part that came too late is left: %s", error, extra={**job.fields, "action": "part_left"})

    def _parts_are_gone(self, run_id: str) -> bool:
        try:
            return decode(RunState, self._blobs.get(layout.state(run_id)).data).status in KEEP_NO_PARTS
        except NotFoundError:
            return self._blobs.head(layout.admission(run_id)) is None  # the run was deleted

    def _verdict(self, job: Job, upload_s: float) -> Verdict:
        return Verdict(
            run_id=job.run_id,
            shard_id=job.shard_id,
            outcome=Outcome.DONE,
            items_done=len(job.items),
            attempt=job.deliveries,
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
