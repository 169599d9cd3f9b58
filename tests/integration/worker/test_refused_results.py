"""Results that storage refuses: nobody is to blame but the account, however often a shard came meanwhile."""

import threading
from collections.abc import Callable

import pytest
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.errors import StorageFullError
from dropscore.contracts.names import ContainerName
from dropscore.contracts.request import RunPolicy
from gpu_worker import settle

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]

GOOD = b"".join(item(number) for number in range(4))


@pytest.mark.fault(46)
@pytest.mark.parametrize("refused", ["/parts/", "/verdicts/", "inputs/run-1.bin"])
def test_a_storage_that_refuses_for_a_while_is_no_fault_of_the_items(
    cloud: MemoryCloud,
    runs: Runs,
    start_worker: Start,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    refused: str,
) -> None:
    """However often it was delivered meanwhile, the shard is scored whole once its account is put right."""
    monkeypatch.setattr(settle, "UNSETTLED_PAUSE_S", 0.05)
    monkeypatch.setattr(settle, "BACKOFF_S", 0.05)
    refusals = []

    def refuse(operation: Operation) -> None:
        of_worker = threading.current_thread() is not threading.main_thread()
        if of_worker and refused in operation.target and len(refusals) < 4:
            refusals.append(operation)
            raise StorageFullError("could not write: HTTP 507")

    runs.start("run-1", GOOD, shard_items=4, policy=RunPolicy(shard_attempts=3))
    cloud.blobs.operations.interrupt = refuse
    start_worker()
    wait_until(lambda: runs.verdict("run-1", 0))

    assert len(refusals) == 4
    assert runs.output("run-1", 1) == scored(GOOD)
    assert not list(cloud.blobs.list(layout.quarantine_prefix("run-1")))
    assert not [name for name in cloud.blobs.names(ContainerName.RUNS) if "/attempts/" in name or "/splits/" in name]
