"""Storage that says no: the run says so soon and in clear words, and goes on after the fix from what it has."""

from typing import Any

import pytest
from whole_runs import QUICK, House, request

from dropscore.cloud.operations import Operation
from dropscore.contracts.errors import AccessDeniedError, ContainerGoneError, StorageFullError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import QueueName
from dropscore.contracts.run import RunStatus

WRITES = ("blob.put", "blob.copy", "blob.delete", "queue.put", "queue.update", "queue.delete")
POLICY = QUICK | {"activity_attempts": 3, "patience_s": 5.0}


def read_only(operation: Operation) -> None:
    if operation.kind in WRITES:
        raise AccessDeniedError(f"could not write {operation.target}: HTTP 403 AuthorizationPermissionMismatch")


def full(operation: Operation) -> None:
    if operation.kind in WRITES:
        raise StorageFullError(f"could not write {operation.target}: HTTP 507 InsufficientStorage")


def gone(operation: Operation) -> None:
    raise ContainerGoneError(f"could not reach {operation.target}: HTTP 404 ContainerNotFound")


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("refuse", "code", "words"),
    [
        (read_only, Code.STORAGE_REFUSED, "read-only"),
        (full, Code.STORAGE_REFUSED, "full"),
        (gone, Code.STORAGE_GONE, "is gone"),
    ],
)
def test_run_whose_workers_cannot_write_says_so_and_goes_on_after_the_fix(
    house: House, refuse: Any, code: Code, words: str
) -> None:
    """The workers have stopped, as those whose writes are refused do; nobody but the orchestration can tell."""
    house.containers.shards = 20
    worker = house.work(takes_s=0.02)
    run_id = house.drop(request(policy=POLICY))
    house.wait_until_status(run_id, "scoring")
    worker.stop()
    house.memory.blobs.operations.interrupt = refuse

    end = house.end_of(run_id)
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert end.failure.code is code
    assert words in end.failure.message
    assert "dropscore rewind" in end.failure.action
    assert "HTTP" in (end.failure.detail or "")

    house.memory.blobs.operations.interrupt = None
    scored_before = len(worker.scored)
    second = house.work()
    assert house.sweep(after_s=3600.0)  # nothing could be written down: as for a run whose orchestration is gone
    end = house.end_of(run_id)
    assert end.status is RunStatus.SUCCEEDED
    assert len(house.output(run_id).splitlines()) == 20
    assert len(second.scored) == 20 - scored_before


@pytest.mark.fault(45)
def test_outputs_that_cannot_be_written_fail_the_run_and_nothing_is_scored_again_after_the_fix(house: House) -> None:
    house.containers.failures = {"stitch": failure(Code.STORAGE_GONE, detail="HTTP 404 ContainerNotFound")}
    worker = house.work()
    run_id = house.drop(request(policy=POLICY))
    end = house.end_of(run_id)
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert end.failure.code is Code.STORAGE_GONE
    assert house.state(run_id).failure == end.failure
    scored = list(worker.scored)

    house.containers.failures = {}
    house.rewind(run_id)
    assert house.end_of(run_id).status is RunStatus.SUCCEEDED
    assert worker.scored == scored
    assert not house.memory.queue.bodies(QueueName.SHARDS_NORMAL)
