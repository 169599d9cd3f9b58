"""The workers that have told of themselves lately."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.errors import ContractError
from dropscore.contracts.http.items import WorkerDocument
from dropscore.contracts.worker_sign import WorkerSign, WorkerTask, sign_of

FRESH_S = 1.0
SILENT_S = 30.0
"""A worker that was not heard of for so long is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a worker told last."""

    worker: str
    sign: WorkerSign


class Workers:
    """The signs of all workers, from one listing a second at most."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._heard = Coalesced(self._listen, clock, fresh_s=FRESH_S, most=1)

    def all(self, *, with_runs: bool) -> tuple[WorkerDocument, ...]:
        """Every worker, by name, with the run of its oldest shard; without `with_runs` not for whom it works."""
        return tuple(
            document(heard, heard.sign.tasks[0] if with_runs and heard.sign.tasks else None)
            for heard in self._heard(None)
        )

    def of(self, run_id: str) -> tuple[WorkerDocument, ...]:
        """The workers that are scoring shards of a run, by name."""
        return tuple(
            document(heard, task) for heard in self._heard(None) for task in heard.sign.tasks if task.run_id == run_id
        )

    def shards_of(self, run_id: str) -> frozenset[int]:
        """The shards of a run that are being scored."""
        return frozenset(shard_id for worker in self.of(run_id) for shard_id in worker.shards)

    def _listen(self, _key: None, _last: object) -> tuple[Heard, ...]:
        return tuple(self._lately())

    def _lately(self) -> Iterator[Heard]:
        now = datetime.fromisoformat(self._clock.now())
        prefix = layout.worker_signs_prefix()
        for info in self._blobs.list(prefix, with_metadata=True):
            silent_s = (now - datetime.fromisoformat(info.modified_at)).total_seconds()
            try:
                if silent_s < SILENT_S:
                    yield Heard(worker=info.path.name.removeprefix(prefix.name), sign=sign_of(info.metadata))
            except ContractError:
                continue  # of another version


def document(heard: Heard, task: WorkerTask | None) -> WorkerDocument:
    """A worker as the API shows it."""
    return WorkerDocument(
        worker=heard.worker,
        device=heard.sign.device,
        state=heard.sign.state,
        run_id=None if task is None else task.run_id,
        shards=() if task is None else task.shards,
        items_per_s=heard.sign.items_per_s,
        seen_at=heard.sign.seen_at,
    )
