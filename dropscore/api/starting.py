"""Starts runs, each once however often it is asked for.

1. The cause (a trigger's name and ETag, or a caller's key) gives the run's id.
2. `request.json` is written if there is none: whoever comes first decides what was asked.
3. The orchestration is scheduled under that id, unless one exists. So a crash between 2 and 3 is made good by
   whoever asks next: the record is there, the orchestration is not, and it is scheduled.
4. The run is put on the list of runs, if it is not there yet.

A trigger's properties are read before its bytes: what is too large is never read.
"""

import asyncio
import uuid
from dataclasses import dataclass

from dropscore.api.stored import StoredRuns
from dropscore.cloud.ports import BlobInfo, Cloud, Orchestrations
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import FailedError, NotFoundError, PreconditionError, TransientCloudError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.identity import run_id_of_key, run_id_of_trigger, sha256_hex
from dropscore.contracts.names import Account
from dropscore.contracts.request import MAX_REQUEST_BYTES, RunRecord, RunSource
from dropscore.contracts.run import Rejection, index_metadata, pending

CALLER = "api"
"""In whose name idempotency keys are told apart."""
_READINGS = 3
"""How often a trigger is read that is replaced while it is being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run that is asked for: its record as it is stored, whether this call stored it, and whether it is over."""

    record: RunRecord
    new: bool
    over: bool


class Starter:
    """Turns causes into runs. Storage is read and written on a thread: what calls this goes on meanwhile."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._account = cloud.accounts[Account.DATA]
        self._runs = StoredRuns(cloud.blobs)

    async def start_by_trigger(self, name: str, orchestrations: Orchestrations) -> str | None:
        """Start the run that a trigger file asks for, and return its id. None when the file is gone: then
        `rejected/` says so.
        """
        asked = await asyncio.to_thread(self._asked_by_trigger, name)
        if asked is None:
            return None
        await self._start(asked, orchestrations)
        return asked.record.run_id

    async def start_by_call(self, body: bytes, idempotency_key: str | None, orchestrations: Orchestrations) -> Asked:
        """Start the run that a call asks for; without a key, a new one each time.

        Raises `FailedError` (E-REQUEST-CONFLICT) when the key was used for another request.
        """
        key = idempotency_key or uuid.uuid4().hex
        source = RunSource(kind="http", idempotency_key=idempotency_key)
        record = self._record(run_id_of_key(CALLER, key), source, body)
        asked = await asyncio.to_thread(self._asked, record)
        if asked.record.body_sha256 != record.body_sha256:
            message = f"The idempotency key {key!r} was used for another request, that of run {record.run_id}."
            raise FailedError.of(Code.REQUEST_CONFLICT, message, field="Idempotency-Key")
        await self._start(asked, orchestrations)
        return asked

    def reject_poison(self, name: str) -> None:
        """Say in `rejected/` that a trigger failed inside the host again and again."""
        self._reject(name, failure(Code.TRIGGER_POISON, f"The trigger file {name!r} could not be handled.", input=name))

    async def _start(self, asked: Asked, orchestrations: Orchestrations) -> None:
        if asked.over:
            return
        await orchestrations.start(asked.record.run_id)
        if asked.new:
            await asyncio.to_thread(self._list, asked.record)

    def _asked_by_trigger(self, name: str) -> Asked | None:
        for _ in range(_READINGS):
            info = self._blobs.head(layout.trigger(name))
            if info is None:
                self._reject(name, failure(Code.TRIGGER_GONE, f"The trigger file {name!r} is gone.", input=name))
                return None
            try:
                return self._asked(self._trigger_record(name, info))
            except (NotFoundError, PreconditionError):
                continue
        raise TransientCloudError(f"the trigger {name!r} was replaced {_READINGS} times while it was being read")

    def _trigger_record(self, name: str, info: BlobInfo) -> RunRecord:
        run_id = run_id_of_trigger(self._account, name, info.etag)
        source = RunSource(kind="trigger", trigger_name=name, etag=info.etag)
        if info.size_bytes <= MAX_REQUEST_BYTES:
            return self._record(run_id, source, self._blobs.get(info.path, if_match=info.etag).data)
        message = f"The trigger file has {info.size_bytes} bytes; {MAX_REQUEST_BYTES} are allowed."
        return RunRecord(
            run_id=run_id,
            source=source,
            created_at=self._clock.now(),
            body=None,
            body_bytes=info.size_bytes,
            body_sha256=None,
            refusal=failure(Code.REQUEST_TOO_LARGE, message, input=name),
        )

    def _record(self, run_id: str, source: RunSource, body: bytes) -> RunRecord:
        return RunRecord(
            run_id=run_id,
            source=source,
            created_at=self._clock.now(),
            body=body.decode("utf-8", errors="replace"),
            body_bytes=len(body),
            body_sha256=sha256_hex(body),
            refusal=encoding_problem(body),
        )

    def _asked(self, record: RunRecord) -> Asked:
        if self._blobs.create(layout.request(record.run_id), encode_bytes(record)):
            return Asked(record=record, new=True, over=False)
        state = self._runs.state(record.run_id)
        return Asked(
            record=self._runs.record(record.run_id) or record,
            new=False,
            over=state is not None and state.status.ended,
        )

    def _list(self, record: RunRecord) -> None:
        """Put a run on the list of runs, unless its orchestration was there first."""
        entry = layout.index_entry(record.run_id)
        metadata = index_metadata(pending(record))
        self._blobs.create(entry, b"", content_type="application/octet-stream", metadata=metadata)

    def _reject(self, name: str, why: Failure) -> None:
        rejection = Rejection(trigger=name, run_id=None, at=self._clock.now(), failures=(why,))
        data = encode_bytes(rejection, indent=2)
        self._blobs.put(layout.rejected(name), data, content_type="application/json")


def encoding_problem(body: bytes) -> Failure | None:
    """Why bytes are no text; None when they are."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return failure(Code.REQUEST_MALFORMED, f"The request is not UTF-8 text: see byte {error.start}.")
    return None
