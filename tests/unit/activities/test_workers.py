import pytest
from activity_bench import RUN, Bench

from activities.workers import sentence
from dropscore.cloud.ports import WorkerCounts
from dropscore.contracts.identity import worker_task_id
from dropscore.contracts.names import ActivityName
from dropscore.contracts.orchestration import WorkersSeen, WorkersWanted
from dropscore.contracts.run import RunStatus


def ensure(bench: Bench, wanted: int, round: int = 1) -> WorkersSeen:
    return bench.call(ActivityName.ENSURE_WORKERS, WorkersWanted(run_id=RUN, wanted=wanted, round=round), WorkersSeen)


@pytest.fixture(autouse=True)
def _running(bench: Bench) -> None:
    bench.ask_for()
    bench.enter(RunStatus.PROVISIONING)


def test_missing_workers_are_added_once(bench: Bench) -> None:
    assert ensure(bench, 3).waiting == 3
    assert ensure(bench, 3).waiting == 3
    assert len(bench.memory.pool.tasks) == 3


def test_workers_of_other_runs_count(bench: Bench) -> None:
    bench.memory.pool.admit(2)
    bench.memory.pool.add(["w-other-1-0", "w-other-1-1"])
    assert ensure(bench, 3) == WorkersSeen(running=2, waiting=1, detail="2 workers run, 1 waits for a node.")


def test_dead_workers_are_replaced_under_new_ids(bench: Bench) -> None:
    bench.memory.pool.admit(1)
    ensure(bench, 1, round=1)
    bench.memory.pool.finish(worker_task_id(RUN, 1, 0))
    assert ensure(bench, 1, round=2).running == 1
    assert worker_task_id(RUN, 2, 0) in bench.memory.pool.tasks


def test_running_worker_means_scoring(bench: Bench) -> None:
    bench.memory.pool.admit(1)
    ensure(bench, 1)
    assert (bench.state().status, bench.state().workers) == (RunStatus.SCORING, 1)


@pytest.mark.fault(32)
def test_reason_why_no_node_comes_is_shown(bench: Bench) -> None:
    bench.memory.pool.doubt = "The quota of cores is used up."
    assert ensure(bench, 2).detail == "0 workers run, 2 wait for a node. The quota of cores is used up."
    assert bench.state().detail == "0 workers run, 2 wait for a node. The quota of cores is used up."
    assert bench.state().status is RunStatus.PROVISIONING


@pytest.mark.parametrize(
    ("running", "waiting", "words"),
    [(1, 0, "1 worker runs."), (2, 0, "2 workers run."), (1, 1, "1 worker runs, 1 waits for a node.")],
)
def test_workers_are_counted_in_plain_words(running: int, waiting: int, words: str) -> None:
    assert sentence(WorkerCounts(running=running, waiting=waiting), "") == words


def test_longest_run_id_gives_a_task_id_that_batch_takes() -> None:
    assert len(worker_task_id("r" * 48, 999_999_999, 999)) <= 64
