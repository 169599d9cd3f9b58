"""Worker tasks in Azure Batch, and in its emulator: the same client, another address.

Azure's package is imported on the first call: the Function app starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropscore.cloud.answers import pool_doubt, worker_counts
from dropscore.cloud.credentials import batch_credential
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.ports import WorkerCounts
from dropscore.cloud.requests import task_pages, worker_job, worker_task
from dropscore.cloud.translate import error_code, translated
from dropscore.cloud.transport import CountingTransport, core_retries
from dropscore.contracts.errors import (
    NotFoundError,
    PermanentCloudError,
    PreconditionError,
    TransientCloudError,
)

if TYPE_CHECKING:
    from azure.batch import BatchClient

    from dropscore.cloud.connection import IdentitySettings
    from dropscore.cloud.settings import BatchSettings

_NOT_ENDED = "state eq 'active' or state eq 'preparing' or state eq 'running'"
_WAITING = "state eq 'active'"
_ENDED_CODES = ("TaskCompleted", "TaskNotFound", "JobNotFound")


class AzureWorkerPool:
    """A `WorkerPool` over Azure's client. Safe to share between threads.

    The job is made when the first task is added to it.
    """

    def __init__(
        self, client: Lazy[BatchClient], settings: BatchSettings, *, image: str | None, environment: Mapping[str, str]
    ) -> None:
        self._client = client
        self._settings = settings
        self._image = image
        self._environment = dict(environment)

    def counts(self) -> WorkerCounts:
        return worker_counts(self._tasks(_NOT_ENDED))

    def add(self, task_ids: Sequence[str]) -> None:
        tasks = [worker_task(task_id, image=self._image, environment=self._environment) for task_id in task_ids]
        for page in task_pages(tasks):
            try:
                self._add_page(page)
            except NotFoundError:
                self._ensure_job()
                self._add_page(page)

    def end(self, *, waiting_only: bool) -> int:
        ending = self._tasks(_WAITING if waiting_only else _NOT_ENDED)
        return sum(self._terminate(task["id"]) for task in ending)

    def doubts(self) -> str:
        pool_id = self._settings.pool_id
        try:
            with translated(f"look at the pool {pool_id}"):
                pool = self._client().get_pool(pool_id)
            with translated(f"list the nodes of the pool {pool_id}"):
                nodes = list(self._client().list_nodes(pool_id, select=["id", "state", "errors", "startTaskInfo"]))
        except NotFoundError:
            return f"The pool {pool_id!r} does not exist in the Batch account {self._settings.account!r}."
        return pool_doubt(pool, nodes)

    def _tasks(self, condition: str) -> list[Mapping[str, Any]]:
        """Id and state of the job's tasks. A list is exact, where the service's own counts may lag behind."""
        try:
            with translated(f"list the workers of {self._settings.job_id}"):
                return list(self._client().list_tasks(self._settings.job_id, filter=condition, select=["id", "state"]))
        except NotFoundError:
            return []

    def _terminate(self, task_id: str) -> bool:
        try:
            with translated(f"end the worker {task_id}"):
                self._client().terminate_task(self._settings.job_id, task_id)
        except PermanentCloudError as error:
            if _code(error) in _ENDED_CODES:
                return False
            raise
        return True

    def _add_page(self, page: dict[str, Any]) -> None:
        """Add tasks in one request. Azure's `create_tasks` is not used: it repeats a server's error without limit."""
        from azure.batch.models import BatchTaskGroup

        with translated(f"add workers to {self._settings.job_id}"):
            added = self._client().create_task_collection(self._settings.job_id, BatchTaskGroup(page))
        for result in added.get("value") or ():
            _check_added(result)

    def _ensure_job(self) -> None:
        from azure.batch.models import BatchJobCreateOptions

        body = worker_job(self._settings.job_id, self._settings.pool_id)
        try:
            with translated(f"make the job {self._settings.job_id}"):
                self._client().create_job(BatchJobCreateOptions(body))
        except PreconditionError:
            return  # somebody else made it meanwhile


def connect_pool(
    settings: BatchSettings, identity: IdentitySettings, *, image: str | None, environment: Mapping[str, str]
) -> AzureWorkerPool:
    """The workers of one pool; `environment` is what each worker gets, secrets included."""
    return AzureWorkerPool(
        Lazy(lambda: _batch_client(settings, identity)), settings, image=image, environment=environment
    )


def _batch_client(settings: BatchSettings, identity: IdentitySettings) -> BatchClient:
    from azure.batch import BatchClient

    return BatchClient(
        settings.url,
        batch_credential(settings, identity),
        transport=CountingTransport(settings.url),
        **core_retries(),
    )


def _check_added(result: Mapping[str, Any]) -> None:
    """Raise for a task that was not added and is not there already."""
    if result.get("status") == "success":
        return
    error = result.get("error") or {}
    code, said = error.get("code", ""), (error.get("message") or {}).get("value", "no reason given")
    message = f"could not add the worker {result.get('taskId')}: {code}: {said.splitlines()[0]}"
    if result.get("status") == "servererror":
        raise TransientCloudError(message)
    if code != "TaskExists":
        raise PermanentCloudError(message)


def _code(error: BaseException) -> str:
    return error_code(error.__cause__) if error.__cause__ is not None else ""
