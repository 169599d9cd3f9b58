"""What ends a worker's process, and what becomes of the shards it held: real processes over the storage emulator."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import Storage, WorkerProcess, alive
from toy_workload import DEADLY_MODEL, Misbehaviour, ToyOptions
from world import Runs, item, scored

from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Code
from dropscore.contracts.names import QueueName
from dropscore.contracts.quarantine import Attempt, Quarantined
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.verdict import Outcome, Verdict
from gpu_worker.exits import Exit

pytestmark = [pytest.mark.azurite, pytest.mark.slow, pytest.mark.timeout(240)]

Start = Callable[..., WorkerProcess]
Wait = Callable[..., None]

ITEMS = 64
GUILTY = 37
MORE_DEATHS = 1
"""Where a neighbour's death came between."""

POLICY = RunPolicy()
"""What is given back at once is seen to be: a lease lasts half a minute. Only messages that were on their way to the
worker when it died are waited for that long."""


def items(bad: dict[int, Misbehaviour], of: int = ITEMS) -> list[bytes]:
    """Items, some of which misbehave."""
    return [item(bad.get(at, at)) for at in range(of)]


def shelf(storage: Storage, run_id: str) -> list[Quarantined]:
    found = storage.blobs.list(layout.quarantine_prefix(run_id))
    return [decode(Quarantined, storage.blobs.get(info.path).data) for info in found]


def attempts(storage: Storage, run_id: str, shard_id: int = 0) -> list[Attempt]:
    found = storage.blobs.list(layout.attempts_prefix(run_id, shard_id))
    return [decode(Attempt, storage.blobs.get(info.path).data) for info in found]


def ended(remote: Runs, wait_until: Wait, run_id: str, shards: int, within_s: float = 90) -> list[Verdict]:
    wait_until(lambda: len(remote.verdicts(run_id, shards)) == shards, within_s=within_s, every_s=0.1)
    return remote.verdicts(run_id, shards)


def leave(worker: WorkerProcess) -> None:
    worker.keeper.send_signal(signal.SIGTERM)
    assert worker.keeper.wait(20) == Exit.TERMINATED


def good(data: list[bytes], *bad: int) -> bytes:
    return scored(b"".join(one for at, one in enumerate(data) if at not in bad))


@pytest.mark.fault(43)
def test_items_that_kill_their_worker_are_shelved_and_their_neighbours_are_published(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    killers = {
        0: (Misbehaviour.SEGFAULT, "SIGSEGV", {"predicting 0", "loading the model, trying"}),
        21: (Misbehaviour.DECODER_SEGFAULT, "SIGSEGV", {"decoding"}),
        37: (Misbehaviour.ABORT, "SIGABRT", {"encoding"}),
        63: (Misbehaviour.KILLED, "SIGKILL", {"predicting 0", "loading the model, trying"}),
    }
    data = items({at: mark for at, (mark, _, _) in killers.items()}, of=80)
    shards = remote.start("deadly", b"".join(data), shard_items=16, policy=POLICY)
    worker = start()
    verdicts = ended(remote, wait_until, "deadly", shards)
    wait_until(lambda: storage.queue.depth(QueueName.SHARDS_NORMAL) == 0, within_s=40)  # the verdict goes before
    leave(worker)

    assert [verdict.outcome for verdict in verdicts] == [Outcome.SPLIT] * 4 + [Outcome.DONE]
    assert remote.output("deadly", shards) == good(data, *killers)
    shelved = {one.range.first_item: one for one in shelf(storage, "deadly")}
    assert sorted(shelved) == sorted(killers)
    for at, (_, killer, stages) in killers.items():
        assert (shelved[at].range.items, shelved[at].failure.code) == (1, Code.SHARD_POISON)
        assert killer in shelved[at].failure.message
        deaths = [one for one in shelved[at].tries if one.death]
        assert POLICY.deaths <= len(deaths) <= POLICY.deaths + MORE_DEATHS
        assert (deaths[-1].signal, deaths[-1].at_work) == (killer, (at,))
        assert deaths[-1].stage in stages
        assert deaths[-1].worker.worker == "w1"
        assert "cpu" in deaths[-1].worker.device


@pytest.mark.fault(20)
def test_items_that_hang_are_shelved_and_no_other_is_suspected(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    data = items({6: Misbehaviour.HANG, 12: Misbehaviour.DECODER_HANG}, of=16)
    policy = POLICY.model_copy(update={"item_deadline_s": 1.0})
    shards = remote.start("hanging", b"".join(data), shard_items=8, policy=policy)
    worker = start()
    verdicts = ended(remote, wait_until, "hanging", shards)
    leave(worker)

    assert [verdict.outcome for verdict in verdicts] == [Outcome.SPLIT] * 2
    assert remote.output("hanging", shards) == good(data, 6, 12)
    in_scorer, in_decoder = shelf(storage, "hanging")
    assert [(one.failure.code, one.failure.item) for one in (in_scorer, in_decoder)] == [
        (Code.ITEM_DEADLINE, 6),
        (Code.ITEM_DEADLINE, 12),
    ]
    assert {one.at_work for one in in_decoder.tries} == {(12,)}
    assert in_scorer.tries[-1].at_work == (6,)
    assert {one.signal for one in in_decoder.tries} == {None}
    assert "hung" in worker.actions()


@pytest.mark.fault(19)
def test_a_worker_killed_by_chance_goes_on_at_once_with_whole_shards_and_the_same_bytes(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    data = items({GUILTY: Misbehaviour.HELD})
    shards = remote.start("chance", b"".join(data), shard_items=8, policy=POLICY)
    worker = start()
    held = worker.log.with_name("let-go.held")
    wait_until(held.exists, within_s=60)
    first = worker.life
    assert first is not None
    os.kill(first, signal.SIGKILL)
    worker.log.with_name("let-go").touch()
    verdicts = ended(remote, wait_until, "chance", shards)

    assert not alive(first)
    assert {verdict.outcome for verdict in verdicts} == {Outcome.DONE}
    assert remote.output("chance", shards) == good(data)
    assert shelf(storage, "chance") == []
    (death,) = [one for shard in range(shards) for one in attempts(storage, "chance", shard) if GUILTY in one.at_work]
    assert (death.signal, death.death, death.delivery) == ("SIGKILL", True, 1)


@pytest.mark.fault(43)
def test_a_neighbour_that_dies_along_is_neither_divided_nor_shelved(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    """Two lanes: the guilty shard and another are always started together."""
    data = [item(Misbehaviour.SEGFAULT), item(1), item(2), item(3)]
    for name in ("guilty", "innocent"):
        remote.admit(name, b"".join(data if name == "guilty" else data[1:]), policy=POLICY)
    remote.send("guilty", 1, shard_items=1)
    remote.send("innocent", 3, shard_items=3)
    worker = start(WORKER_LANES="2")
    (innocent,) = ended(remote, wait_until, "innocent", 1)
    (guilty,) = ended(remote, wait_until, "guilty", 1)
    leave(worker)

    assert (innocent.outcome, guilty.outcome) == (Outcome.DONE, Outcome.FAILED)
    assert remote.output("innocent", 1) == scored(b"".join(data[1:]))
    assert len(attempts(storage, "innocent")) <= 1
    (shelved,) = shelf(storage, "guilty")
    assert len(shelved.tries) == 3


@pytest.mark.fault(60)
def test_an_item_that_takes_all_memory_ends_its_process_and_not_the_machine(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    data = [item(1), item(Misbehaviour.BOMB), item(2)]
    remote.start("bomb", b"".join(data), shard_items=3, policy=POLICY)
    worker = start(WORKER_MEMORY_LIMIT_MIB="1400")
    (verdict,) = ended(remote, wait_until, "bomb", 1)
    leave(worker)

    assert (verdict.items_done, verdict.items_failed) == (2, 1)
    (shelved,) = shelf(storage, "bomb")
    assert "memory" in shelved.failure.message
    assert {one.failure.code for one in shelved.tries} == {Code.OUT_OF_MEMORY}
    assert [line["cause"] for line in worker.lines() if "cause" in line] == ["memory"] * 3


@pytest.mark.fault(43)
def test_a_model_that_kills_whoever_loads_it_shelves_the_shard_whole(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    data = b"".join(item(number) for number in range(12))
    remote.start("no-model", data, shard_items=12, policy=POLICY, options=ToyOptions(model=DEADLY_MODEL))
    start()
    (verdict,) = ended(remote, wait_until, "no-model", 1)
    assert (verdict.outcome, verdict.items_failed) == (Outcome.FAILED, 12)
    (shelved,) = shelf(storage, "no-model")
    assert shelved.range.items == 12
    assert "loading the model" in shelved.failure.message


@pytest.mark.fault(21)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_keeper_gives_everything_back_at_once(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage, number: signal.Signals
) -> None:
    run_id = f"told-{number.name.lower()}"
    remote.start(run_id, item(Misbehaviour.HELD) * 6, shard_items=1, policy=POLICY)
    worker = start()
    wait_until(worker.log.with_name("let-go.held").exists, within_s=60)
    life = worker.life
    worker.keeper.send_signal(number)

    assert worker.keeper.wait(20) == Exit.TERMINATED
    assert life is not None
    assert not alive(life)
    given_back = storage.queue.receive(QueueName.SHARDS_NORMAL, count=32, lease_s=1)
    assert len(given_back) == 6
    assert all(storage.queue.delete(message) for message in given_back)


@pytest.mark.fault(21)
def test_a_second_signal_ends_a_worker_that_does_not_leave(remote: Runs, start: Start, wait_until: Wait) -> None:
    worker = start()
    wait_until(lambda: "ready" in worker.actions(), within_s=60)
    life = worker.life
    assert life is not None
    os.kill(life, signal.SIGSTOP)
    worker.keeper.send_signal(signal.SIGTERM)
    wait_until(lambda: not _pending(worker.keeper.pid, signal.SIGTERM))
    worker.keeper.send_signal(signal.SIGTERM)
    assert worker.keeper.wait(10) == 128 + signal.SIGKILL
    assert not alive(life)


@pytest.mark.fault(19)
def test_a_keeper_that_is_killed_takes_its_worker_along_and_the_lease_runs_out(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage
) -> None:
    data = items({GUILTY: Misbehaviour.HELD})
    remote.start("no-keeper", b"".join(data), shard_items=ITEMS, policy=RunPolicy(lease_s=2))
    first = start("w1")
    wait_until(first.log.with_name("let-go.held").exists, within_s=60)
    life = first.life
    assert life is not None
    first.end()
    wait_until(lambda: not alive(life))
    first.log.with_name("let-go").touch()
    start("w2")
    (verdict,) = ended(remote, wait_until, "no-keeper", 1)
    assert (verdict.outcome, verdict.attempt) == (Outcome.DONE, 2)
    assert remote.output("no-keeper", 1) == good(data)
    assert attempts(storage, "no-keeper") == []


@pytest.mark.fault(19)
def test_the_next_keeper_on_the_node_goes_on_at_once_with_what_a_killed_one_held(
    remote: Runs, start: Start, wait_until: Wait, storage: Storage, tmp_path: Path
) -> None:
    """Before what waits on the lane, and long before a lease of half a minute runs out."""
    data = items({0: Misbehaviour.HELD})
    shards = remote.start("next-keeper", b"".join(data), shard_items=16, policy=POLICY)
    node = {"AZ_BATCH_NODE_SHARED_DIR": str(tmp_path), "WORKER_LANES": "1"}
    first = start("w1", **node)
    wait_until(first.log.with_name("let-go.held").exists, within_s=60)
    first.end()
    first.log.with_name("let-go").touch()
    second = start("w2", **node)
    verdicts = ended(remote, wait_until, "next-keeper", shards, within_s=25)

    assert (verdicts[0].worker.worker, verdicts[0].attempt, verdicts[0].outcome) == ("w2", 2, Outcome.DONE)
    assert min(verdicts, key=lambda verdict: verdict.started_at) == verdicts[0]
    assert {verdict.attempt for verdict in verdicts[1:]} == {1}
    assert remote.output("next-keeper", shards) == good(data)
    assert attempts(storage, "next-keeper") == []
    leave(second)
    assert list((tmp_path / "wills").iterdir()) == []


@pytest.mark.fault(22)
def test_a_worker_that_was_stopped_for_three_leases_publishes_nothing_wrong(
    remote: Runs, start: Start, wait_until: Wait
) -> None:
    lease_s = 2.0
    data = items({GUILTY: Misbehaviour.HELD})
    remote.start("stopped", b"".join(data), shard_items=ITEMS, policy=RunPolicy(lease_s=lease_s))
    first = start("w1")
    wait_until(first.log.with_name("let-go.held").exists, within_s=60)
    life = first.life
    assert life is not None
    os.kill(life, signal.SIGSTOP)
    first.log.with_name("let-go").touch()
    stopped_at = time.monotonic()
    second = start("w2")
    (verdict,) = ended(remote, wait_until, "stopped", 1)
    wait_until(lambda: time.monotonic() > stopped_at + 3 * lease_s)
    os.kill(life, signal.SIGCONT)
    wait_until(lambda: {"stopped_lease_lost", "discarded"} & set(first.actions()))

    assert "scored" in second.actions()
    assert "scored" not in first.actions()
    assert (verdict.worker.worker, verdict.outcome) == ("w2", Outcome.DONE)
    assert remote.verdict("stopped", 0) == verdict
    assert remote.output("stopped", 1) == good(data)


def _pending(pid: int, number: int) -> bool:
    """Whether a signal waits to be taken by a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool((int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)) & (1 << (number - 1)))
