"""The twins beyond what the storage contract covers: what they record, and how tests steer them."""

import asyncio
import threading

import pytest

from dropscore.cloud.memory import (
    ManualClock,
    MemoryContainers,
    MemoryOrchestrations,
    MemoryWorkerPool,
    memory_cloud,
)
from dropscore.cloud.memory_batch import TaskState
from dropscore.cloud.ports import ContainerSpec
from dropscore.contracts import layout
from dropscore.contracts.errors import NotFoundError, TransientCloudError
from dropscore.contracts.names import Account, ContainerName, QueueName
from dropscore.contracts.orchestration import ContainerPhase


def spec(name="plan-1-r1"):
    return ContainerSpec(name=name, image="cpu", command=("python",), environment={})


def test_time_moves_only_by_hand():
    clock = ManualClock("2026-05-01T10:00:00.000000Z")

    clock.advance(90.5)

    assert clock.now() == "2026-05-01T10:01:30.500000Z"
    assert clock.monotonic() == 90.5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_the_machines_clock_gives_text_that_sorts():
    clock = memory_cloud().clock
    first, second = clock.now(), clock.now()

    assert first <= second
    assert len(first) == len("2026-01-01T00:00:00.000000Z")
    assert clock.monotonic() <= clock.monotonic()


def test_a_cloud_is_handed_on_as_its_ports():
    memory = memory_cloud(ManualClock())

    assert memory.cloud.blobs is memory.blobs
    assert memory.cloud.queue is memory.queue
    assert set(memory.cloud.accounts) == set(Account)


def test_a_test_can_fail_any_operation_and_see_what_was_asked():
    blobs = memory_cloud().blobs

    def fail_heads(operation):
        if operation.kind == "blob.head":
            raise TransientCloudError("busy")

    blobs.operations.interrupt = fail_heads
    blobs.put(layout.state("r-1"), b"x")
    with pytest.raises(TransientCloudError):
        blobs.head(layout.state("r-1"))

    assert blobs.operations.counts() == {"blob.put": 1, "blob.head": 1}
    assert blobs.names(ContainerName.RUNS) == ("r-1/state.json",)


def test_what_lies_in_a_queue_can_be_looked_at_without_leasing():
    queue = memory_cloud().queue
    queue.send(QueueName.RUN_EVENTS, b"1")
    queue.send(QueueName.RUN_EVENTS, b"2", delay_s=60)

    assert queue.bodies(QueueName.RUN_EVENTS) == [b"1", b"2"]
    assert [m.body for m in queue.receive(QueueName.RUN_EVENTS, count=32, lease_s=1)] == [b"1"]


def test_a_group_goes_as_the_test_says():
    containers = MemoryContainers()
    assert containers.state("plan-1-r1").phase is ContainerPhase.MISSING

    containers.start(spec())
    assert containers.state("plan-1-r1").phase is ContainerPhase.WAITING
    containers.become("plan-1-r1", ContainerPhase.FAILED, exit_code=3, detail="no", log="line\n")

    assert containers.state("plan-1-r1").exit_code == 3
    assert containers.logs("plan-1-r1") == "line\n"
    assert containers.names() == ("plan-1-r1",)
    containers.delete("plan-1-r1")
    containers.delete("plan-1-r1")
    assert containers.state("plan-1-r1").phase is ContainerPhase.MISSING
    assert containers.logs("plan-1-r1") == ""
    with pytest.raises(NotFoundError):
        containers.become("plan-1-r1", ContainerPhase.RUNNING)


def test_a_second_start_of_a_group_changes_nothing():
    containers = MemoryContainers()
    containers.start(spec())
    containers.become("plan-1-r1", ContainerPhase.SUCCEEDED, exit_code=0)

    containers.start(spec())

    assert containers.state("plan-1-r1").phase is ContainerPhase.SUCCEEDED


def test_a_carried_out_group_ends_by_its_exit_code():
    containers = MemoryContainers(carry=lambda spec: 0 if spec.name == "good" else 7)

    containers.start(spec("good"))
    containers.start(spec("bad"))
    containers.join()

    assert containers.state("good").phase is ContainerPhase.SUCCEEDED
    assert (containers.state("bad").phase, containers.state("bad").exit_code) == (ContainerPhase.FAILED, 7)


def test_a_group_that_raises_fails_with_its_traceback_as_log():
    def carry(spec):
        raise RuntimeError("no disk")

    containers = MemoryContainers(carry=carry)
    containers.start(spec("x"))
    containers.join()

    assert containers.state("x").exit_code == 1
    assert containers.state("x").detail == "RuntimeError: no disk"
    assert "Traceback" in containers.logs("x")


def test_a_deleted_group_does_not_come_back_when_its_work_ends():
    release = threading.Event()
    containers = MemoryContainers(carry=lambda spec: int(not release.wait(10)))
    containers.start(spec("x"))

    containers.delete("x")
    release.set()
    containers.join()

    assert containers.names() == ()


def test_workers_wait_for_nodes_and_take_them_in_order():
    started = []
    pool = MemoryWorkerPool(nodes=1, on_start=started.append)

    pool.add(["w-1", "w-2", "w-3"])
    assert (pool.counts().running, pool.counts().waiting) == (1, 2)
    pool.admit(1)
    pool.finish("w-1")

    assert started == ["w-1", "w-2", "w-3"]
    assert pool.tasks["w-1"] is TaskState.ENDED


def test_an_ended_worker_is_not_added_again():
    pool = MemoryWorkerPool(nodes=1)
    pool.add(["w-1"])
    pool.finish("w-1")

    pool.add(["w-1"])

    assert pool.tasks == {"w-1": TaskState.ENDED}


def test_ending_the_waiting_leaves_the_running():
    pool = MemoryWorkerPool(nodes=1)
    pool.add(["w-1", "w-2", "w-3"])

    assert pool.end(waiting_only=True) == 2
    assert pool.counts().running == 1
    assert pool.end(waiting_only=False) == 1
    assert pool.counts().running == 0


def test_a_pool_says_the_doubt_it_was_given():
    pool = MemoryWorkerPool()
    assert pool.doubts() == ""

    pool.doubt = "quota"

    assert pool.doubts() == "quota"


def test_a_run_is_started_once_and_only_known_runs_are_nudged():
    async def story():
        orchestrations = MemoryOrchestrations()
        assert await orchestrations.start("r-1") is True
        assert await orchestrations.start("r-1") is False
        await orchestrations.nudge("r-1")
        await orchestrations.nudge("r-2")
        return orchestrations

    orchestrations = asyncio.run(story())

    assert orchestrations.started == ["r-1"]
    assert orchestrations.nudged == ["r-1"]
