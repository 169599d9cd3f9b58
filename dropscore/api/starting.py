"""Starts runs, each once however often it is asked for.

1. The cause (a trigger's name and ETag, or a caller's key) gives the run's id.
2. `request.json` is written if there is none: whoever comes first decides what was asked.
3. The orchestration is scheduled under that id, unless one exists. So a crash between 2 and 3 is made good by
   whoever asks next: the record is there, the orchestration is not, and it is scheduled.
4. The run is put on the list of runs, if it is not there yet.

A trigger's properties are read before its bytes: what is too large is never read. One that looks as if it were still
being written is given ten seconds in which it does not change, and never started half: each later version is another
cause, and so another run.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from dropscore.api.stored import StoredRuns
from dropscore.cloud.patience import lasting, patiently
from dropscore.cloud.ports import BlobInfo, Cloud, Orchestrations
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import FailedError, NotFoundError, PreconditionError, TransientCloudError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.identity import run_id_of_key, run_id_of_replay, run_id_of_trigger, sha256_hex
from dropscore.contracts.names import Account
from dropscore.contracts.reading import ends_early
from dropscore.contracts.request import MAX_REQUEST_BYTES, TENANT, RunRecord, RunSource
from dropscore.contracts.run import Rejection, pending

CALLER = "api"
"""In whose name idempotency keys are told apart, where there are no tenants."""
_READINGS = 3
"""How often a trigger is read that is replaced while it is being read."""
SETTLE_S = 10.0
"""A trigger that looks unfinished has not changed for so long before it is taken as it is."""
_LOOK_S = 1.0
PATIENCE = lasting(240.0)
"""With a storage that does not answer, within the five minutes that a function may take (`host.json`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run that is asked for: its record as it is stored, whether this call stored it, and whether it is over (then
    there is nothing to start).
    """

    record: RunRecord
    new: bool
    over: bool


class _Unfinished(NamedTuple):
    """A version of a trigger whose text seems to end too early."""

    etag: str


class Starter:
    """Turns causes into runs. Storage is read and written on a thread: what calls this goes on meanwhile."""

    def __init__(
        self, cloud: Cloud, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep, tenants: bool = False
    ) -> None:
        """With `tenants`, the run of a trigger file is that of the tenant whose folder it lies in."""
        self._pause = pause
        self._tenants = tenants
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._account = cloud.accounts[Account.DATA]
        self._runs = StoredRuns(cloud.blobs)
        self._index = RunIndex(cloud.blobs)

    async def start_by_trigger(
        self, name: str, orchestrations: Orchestrations, *, etag: str | None = None
    ) -> str | None:
        """Start the run that a trigger file asks for, and return its id. None when the file is gone: then `rejected/`
        says so, unless the run of the version `etag`, which the event told of, is there already.

        Waits for a storage that does not answer: a failed delivery counts, and after five the host gives a trigger up.
        """

        async def start() -> str | None:
            return await self._start_by_trigger(name, orchestrations, etag)

        return await patiently(start, PATIENCE, clock=self._clock.monotonic, pause=self._pause)

    async def _start_by_trigger(self, name: str, orchestrations: Orchestrations, etag: str | None) -> str | None:
        asked = await self._asked_when_written(name)
        if asked is None:
            return await asyncio.to_thread(self._gone, name, etag)
        await self._start(asked, orchestrations)
        return asked.record.run_id

    async def start_missed(self, name: str, orchestrations: Orchestrations) -> str | None:
        """Start the run of a trigger file whose event did not come, and return its id; None when there is none to
        start.
        """
        asked = await asyncio.to_thread(self._asked_by_trigger, name, None)
        if not isinstance(asked, Asked) or not await self._start(asked, orchestrations):
            return None
        return asked.record.run_id

    async def start_by_call(
        self,
        body: bytes,
        idempotency_key: str | None,
        orchestrations: Orchestrations,
        *,
        tenant: str | None = None,
    ) -> Asked:
        """Start the run that a call asks for; without a key, a new one each time.

        Raises `FailedError` (E-REQUEST-CONFLICT) when the key was used for another request.
        """
        key = idempotency_key or uuid.uuid4().hex
        source = RunSource(kind="http", idempotency_key=idempotency_key, tenant=tenant)
        record = self._record(run_id_of_key(_caller(tenant), key), source, body)
        return await self._start_by_key(record, key, orchestrations)

    async def _start_by_key(self, record: RunRecord, key: str, orchestrations: Orchestrations) -> Asked:
        asked = await asyncio.to_thread(self._asked, record)
        if asked.record.body_sha256 != record.body_sha256:
            message = f"The idempotency key {key!r} was used for another request, that of run {record.run_id}."
            raise FailedError.of(Code.REQUEST_CONFLICT, message, field="Idempotency-Key")
        await self._start(asked, orchestrations)
        return asked

    async def start_replay(
        self,
        replayed: str,
        body: bytes,
        idempotency_key: str | None,
        orchestrations: Orchestrations,
        *,
        tenant: str | None = None,
    ) -> Asked:
        """Start a replay of a run that has ended; without a key, a new one each time. Raises like `start_by_call`."""
        key = idempotency_key or uuid.uuid4().hex
        source = RunSource(kind="replay", idempotency_key=idempotency_key, replay_of=replayed, tenant=tenant)
        record = self._record(run_id_of_replay(replayed, _caller(tenant), key), source, body)
        return await self._start_by_key(record, key, orchestrations)

    def reject_poison(self, name: str) -> None:
        """Say in `rejected/` that a trigger failed inside the host again and again."""
        self._reject(name, failure(Code.TRIGGER_POISON, f"The trigger file {name!r} could not be handled.", input=name))

    async def _start(self, asked: Asked, orchestrations: Orchestrations) -> bool:
        """Schedule a run's orchestration unless there is one; True when this did it, or stored the run."""
        if asked.over:
            return False
        started = await orchestrations.start(asked.record.run_id) or asked.new
        if started:
            await asyncio.to_thread(self._list, asked.record)
        return started

    async def _asked_when_written(self, name: str) -> Asked | None:
        """What a trigger asks for. One that looks unfinished is waited for until it has not changed for `SETTLE_S`."""
        seen, accepted = "", ""
        since = self._clock.monotonic()
        while isinstance(asked := await asyncio.to_thread(self._asked_by_trigger, name, accepted), _Unfinished):
            now = self._clock.monotonic()
            if asked.etag != seen:
                seen, since = asked.etag, now
            elif now - since >= SETTLE_S:
                accepted = seen
                continue
            await self._pause(_LOOK_S)
        return asked

    def _gone(self, name: str, etag: str | None) -> str | None:
        """What to make of an event of a trigger that is gone: nothing, if it is a late one of a run that is known."""
        run_id = None if etag is None else run_id_of_trigger(self._account, name, etag)
        if run_id is not None and self._blobs.head(layout.request(run_id)) is not None:
            return run_id
        why = failure(Code.TRIGGER_GONE, f"The trigger file {name!r} is gone.", input=name)
        self._reject(name, why, run_id)
        return None

    def _asked_by_trigger(self, name: str, accepted: str | None) -> Asked | _Unfinished | None:
        """What a trigger asks for, however it looks if it is the version `accepted` (None: any). None: it is gone."""
        for _ in range(_READINGS):
            info = self._blobs.head(layout.trigger(name))
            if info is None:
                return None
            try:
                record = self._trigger_record(name, info)
            except (NotFoundError, PreconditionError):
                continue
            if accepted not in (None, info.etag) and record.body is not None and ends_early(record.body):
                return _Unfinished(info.etag)
            return self._asked(record)
        raise TransientCloudError(f"the trigger {name!r} was replaced {_READINGS} times while it was being read")

    def _trigger_record(self, name: str, info: BlobInfo) -> RunRecord:
        run_id = run_id_of_trigger(self._account, name, info.etag)
        follows, tenant = self._before(name, run_id), tenant_of_trigger(name) if self._tenants else None
        source = RunSource(kind="trigger", trigger_name=name, etag=info.etag, follows=follows, tenant=tenant)
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

    def _before(self, name: str, run_id: str) -> str | None:
        """The run of the trigger's last version, if there was another one."""
        entry = self._blobs.head(layout.trigger_entry(name))
        before = None if entry is None else entry.metadata.get("run")
        return before if before != run_id else None

    def _asked(self, record: RunRecord) -> Asked:
        if self._blobs.create(layout.request(record.run_id), encode_bytes(record)):
            return Asked(record=record, new=True, over=False)
        stored = self._runs.record(record.run_id) or record
        if stored.deleted_at is not None:
            return Asked(record=stored, new=False, over=True)
        state = self._runs.state(record.run_id)
        return Asked(record=stored, new=False, over=state is not None and state.status.ended)

    def _list(self, record: RunRecord) -> None:
        """Put a run on the list of runs, unless its orchestration was there first, and beside its trigger's name."""
        self._index.create(pending(record))
        name = record.source.trigger_name
        if name is not None:
            self._blobs.put(layout.trigger_entry(name), b"", metadata={"run": record.run_id})

    def _reject(self, name: str, why: Failure, run_id: str | None = None) -> None:
        rejection = Rejection(trigger=name, run_id=run_id, at=self._clock.now(), failures=(why,))
        data = encode_bytes(rejection, indent=2)
        self._blobs.put(layout.rejected(name), data, content_type="application/json")


def _caller(tenant: str | None) -> str:
    return CALLER if tenant is None else f"{CALLER}\n{tenant}"


def tenant_of_trigger(name: str) -> str | None:
    """The tenant whose folder a trigger file lies in; None when it lies in none."""
    folder, slash, _ = name.partition("/")
    return folder.lower() if slash and re.fullmatch(TENANT, folder.lower()) else None


def encoding_problem(body: bytes) -> Failure | None:
    """Why bytes are no text; None when they are."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return failure(Code.REQUEST_MALFORMED, f"The request is not UTF-8 text: see byte {error.start}.")
    return None
