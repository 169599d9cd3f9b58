"""Items that cannot be scored: found, shelved, and their neighbours published."""

from collections import Counter
from collections.abc import Callable
from threading import current_thread, main_thread

import pytest
from toy_workload import STAGE, WHOLE_TOY, Misbehaviour
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.plan import Piece, ShardMessage, ShardSpec
from dropscore.contracts.quarantine import Quarantined
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.verdict import Outcome, Verdict
from gpu_worker.families import MOST_DELIVERIES

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]

TWICE = RunPolicy(shard_attempts=2, shard_backoff_s=0.02)


def items(*firsts: int) -> bytes:
    return b"".join(item(first) for first in firsts)


def shelf(cloud: MemoryCloud, run_id: str = "run-1") -> list[Quarantined]:
    """What is in quarantine, by item."""
    found = cloud.blobs.list(layout.quarantine_prefix(run_id))
    return [decode(Quarantined, cloud.blobs.get(info.path).data) for info in found]


def pieces_made(cloud: MemoryCloud, run_id: str = "run-1") -> int:
    return sum(f"{run_id}/pieces/" in name for name in cloud.blobs.names(ContainerName.RUNS))


def sends_of_workers(cloud: MemoryCloud) -> list[str]:
    """Fills with the messages that workers put on the lane."""
    sent = list[str]()

    def note(operation: Operation) -> None:
        if current_thread() is not main_thread() and operation.kind == "queue.put" and "shards" in operation.target:
            sent.append(operation.target)

    cloud.queue.operations.interrupt = note
    return sent


def ended(runs: Runs, cloud: MemoryCloud, wait_until: Wait, shards: int = 1) -> list[Verdict]:
    """The verdicts of a run, once all are there and the lane is empty."""
    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    return runs.verdicts("run-1", shards)


def test_a_corrupt_item_is_shelved_at_once_and_its_neighbours_are_published(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    good = items(0, 1, 2, 3, 4, 5, 6, 7)
    shards = runs.start("run-1", good[: 48 * 5] + items(Misbehaviour.CORRUPT) + good[48 * 5 :], shard_items=3)
    start_worker()
    verdicts = ended(runs, cloud, wait_until, shards)

    assert [verdict.outcome for verdict in verdicts] == [Outcome.DONE, Outcome.SPLIT, Outcome.DONE]
    assert (verdicts[1].items_done, verdicts[1].items_failed) == (2, 1)
    assert runs.output("run-1", shards) == scored(good)
    (shelved,) = shelf(cloud)
    assert (shelved.range, shelved.input) == (Piece(first_item=5, items=1), "run-1.bin")
    assert (shelved.failure.code, shelved.failure.item) == (Code.INPUT_CORRUPT, 5)
    assert [len(shelved.tries), shelved.attempts] == [1, 1]
    assert pieces_made(cloud) == 2


@pytest.mark.fault(41)
def test_a_bug_is_tried_again_and_then_the_item_that_raises_it_is_found(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    firsts = list(range(40))
    firsts[17] = Misbehaviour.BUG
    runs.start("run-1", items(*firsts), shard_items=40, policy=TWICE)
    start_worker(lanes=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.outcome, verdict.items_done, verdict.items_failed) == (Outcome.SPLIT, 39, 1)
    assert runs.output("run-1", 1) == scored(items(*(first for first in firsts if first != Misbehaviour.BUG)))
    (shelved,) = shelf(cloud)
    assert (shelved.range.first_item, shelved.range.items) == (17, 1)
    assert shelved.failure.code is Code.SHARD_FAILED
    assert "item 17 failed on every attempt" in shelved.failure.message
    assert "ZeroDivisionError: a bug" in (shelved.failure.detail or "")
    assert [(one.range.items, one.times, one.at_work) for one in shelved.tries] == [(40, 2, (17,)), (1, 2, (17,))]
    assert pieces_made(cloud) == 3


@pytest.mark.fault(15)
def test_a_result_that_is_no_number_is_shelved_and_never_published(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(1, 2, Misbehaviour.NAN, 3), shard_items=4, policy=TWICE)
    start_worker()
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (3, 1)
    (shelved,) = shelf(cloud)
    assert (shelved.failure.code, shelved.failure.item, len(shelved.tries)) == (Code.OUTPUT_INVALID, 2, 2)


@pytest.mark.fault(41)
@pytest.mark.parametrize("bad", [Misbehaviour.BUG, Misbehaviour.NAN, Misbehaviour.TOO_LARGE])
def test_a_shard_that_fails_at_the_same_item_again_is_divided_and_only_that_item_is_tried_on(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait, bad: Misbehaviour
) -> None:
    """Its neighbours are not scored anew for each of the tries that the policy gives it."""
    firsts = list(range(16))
    firsts[9] = bad
    runs.start("run-1", items(*firsts), shard_items=16, policy=RunPolicy(shard_attempts=5, shard_backoff_s=0.02))
    start_worker(lanes=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.outcome, verdict.items_done, verdict.items_failed) == (Outcome.SPLIT, 15, 1)
    assert runs.output("run-1", 1) == scored(items(*(first for first in firsts if first != bad)))
    (shelved,) = shelf(cloud)
    assert shelved.range == Piece(first_item=9, items=1)
    whole, *alone = (one.times for one in sorted(shelved.tries, key=lambda one: -one.range.items))
    assert [one.range.items for one in shelved.tries].count(16) == (2 if whole == 1 else 1)
    assert whole + sum(alone) >= 5


@pytest.mark.fault(41)
def test_the_item_that_raises_in_a_batch_is_found_in_the_worker_and_costs_three_pieces(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    """Thirty items are one batch here: cut in halves instead, it would be ten pieces and six times the requests."""
    firsts = list(range(30))
    firsts[17] = Misbehaviour.BUG
    runs.start("run-1", items(*firsts), shard_items=30, policy=RunPolicy(shard_backoff_s=0.02))
    asked = Counter[str]()

    def count(operation: Operation) -> None:
        if current_thread() is not main_thread() and operation.target.startswith("runs/run-1/"):
            asked[operation.kind] += 1

    cloud.blobs.operations.interrupt = count
    messages = sends_of_workers(cloud)
    start_worker(lanes=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (29, 1)
    assert {one.at_work for one in shelf(cloud)[0].tries} == {(17,)}
    assert pieces_made(cloud) == 3
    assert asked.total() < 25
    assert messages == []


@pytest.mark.fault(41)
def test_pieces_for_which_there_is_no_time_here_go_over_the_queue(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_worker.families.IN_PLACE_S", 0.0)
    messages = sends_of_workers(cloud)
    firsts = list(range(30))
    firsts[17] = Misbehaviour.BUG
    runs.start("run-1", items(*firsts), shard_items=30, policy=RunPolicy(shard_backoff_s=0.02))
    start_worker(lanes=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (29, 1)
    assert runs.output("run-1", 1) == scored(items(*(first for first in firsts if first != Misbehaviour.BUG)))
    assert len(messages) >= 3


@pytest.mark.fault(41)
def test_pieces_of_a_message_that_was_delivered_often_go_over_the_queue(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    """Each has a count of its own there, by which what ends workers and leaves no record is found."""
    runs.start("run-1", items(1, 2, Misbehaviour.CORRUPT, 3), shard_items=4, policy=RunPolicy(shard_attempts=20))
    for _ in range(MOST_DELIVERIES):
        cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=0)
    messages = sends_of_workers(cloud)
    start_worker(lanes=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed, len(messages)) == (3, 1, 2)


@pytest.mark.fault(21)
def test_what_waits_where_a_shard_was_divided_is_finished_by_another_when_its_worker_leaves(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    """The item that failed waits for another try; its neighbours are done."""
    runs.start("run-1", items(1, 2, Misbehaviour.BUG, 3), shard_items=4, policy=RunPolicy(shard_backoff_s=8.0))
    first = start_worker(lanes=1)
    wait_until(lambda: pieces_made(cloud) == 2)
    first.stop()
    assert cloud.queue.depth(QueueName.SHARDS_NORMAL) == 1
    start_worker(lanes=1)
    wait_until(lambda: len(runs.verdicts("run-1", 1)) == 1, within_s=30)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (3, 1)
    assert runs.output("run-1", 1) == scored(items(1, 2, 3))


@pytest.mark.fault(41)
def test_a_single_item_that_raises_once_comes_out_of_the_same_delivery(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-0", items(1), shard_items=1)
    start_worker(lanes=1)
    wait_until(lambda: len(runs.verdicts("run-0", 1)) == 1)  # the model is known, and is not tried out any more
    STAGE.faults = 1
    runs.start("run-1", items(1), shard_items=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (STAGE.faults, verdict.outcome, verdict.attempt) == (0, Outcome.DONE, 1)
    assert runs.output("run-1", 1) == scored(items(1))
    assert not any("/attempts/" in name for name in cloud.blobs.names(ContainerName.RUNS))


@pytest.mark.fault(17)
def test_an_item_that_does_not_fit_alone_is_shelved_alone(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(1, 2, 3, 4, 5, Misbehaviour.TOO_LARGE, 6, 7), shard_items=8, policy=TWICE)
    start_worker(lanes=1)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (7, 1)
    assert [(one.range.first_item, one.failure.code) for one in shelf(cloud)] == [(5, Code.OUT_OF_MEMORY)]


def test_a_failure_that_does_not_come_back_divides_nothing(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    start_worker(lanes=1)
    runs.start("warm-up", items(1), shard_items=1)
    wait_until(lambda: runs.verdict("warm-up", 0))
    before, STAGE.faults = len(STAGE.batches), 1
    runs.start("run-1", items(*range(20)), shard_items=20, policy=TWICE)
    (verdict,) = ended(runs, cloud, wait_until)

    alone = len(STAGE.batches[before]) == 1  # where single items were found to be fastest, it comes out at once
    assert (verdict.outcome, verdict.attempt, pieces_made(cloud)) == (Outcome.DONE, 1 if alone else 2, 0)
    assert runs.output("run-1", 1) == scored(items(*range(20)))


def test_every_bad_item_of_a_shard_is_found(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    firsts = [Misbehaviour.CORRUPT if number in (0, 7, 8, 30) else number for number in range(31)]
    runs.start("run-1", items(*firsts), shard_items=31)
    start_worker()
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (27, 4)
    assert [one.range.first_item for one in shelf(cloud)] == [0, 7, 8, 30]
    assert runs.output("run-1", 1) == scored(items(*(first for first in firsts if first != Misbehaviour.CORRUPT)))


def test_a_shard_of_bad_items_only_ends_too(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(*[Misbehaviour.CORRUPT] * 9), shard_items=9)
    start_worker()
    (verdict,) = ended(runs, cloud, wait_until)
    assert (verdict.items_done, verdict.items_failed, len(shelf(cloud))) == (0, 9, 9)


@pytest.mark.fault(11)
def test_an_input_that_was_replaced_fails_its_shards_whole(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    shards = runs.start("run-1", items(*range(8)), shard_items=4)
    cloud.blobs.put(layout.input_file("run-1.bin"), items(*range(8)))
    start_worker()
    verdicts = ended(runs, cloud, wait_until, shards)

    assert [verdict.outcome for verdict in verdicts] == [Outcome.FAILED] * 2
    assert {verdict.failure.code for verdict in verdicts if verdict.failure} == {Code.INPUT_CHANGED}
    assert pieces_made(cloud) == 0
    assert [one.range.items for one in shelf(cloud)] == [4, 4]


def test_an_input_shorter_than_planned_fails_its_shard_whole(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.admit("run-1", items(*range(4)))
    runs.send("run-1", 5, shard_items=5)
    start_worker()
    (verdict,) = ended(runs, cloud, wait_until)
    assert (verdict.outcome, verdict.items_failed) == (Outcome.FAILED, 5)


def test_shards_of_a_workload_without_pieces_fail_whole(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(1, Misbehaviour.CORRUPT, 2), shard_items=3)
    start_worker(definition=WHOLE_TOY)
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.outcome, verdict.items_failed) == (Outcome.FAILED, 3)
    assert verdict.failure is not None
    assert verdict.failure.item == 1


def test_a_shard_that_ends_its_workers_untold_is_halved_until_the_guilty_is_alone(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(1, 2, 3, 4), shard_items=4, policy=TWICE)
    for _ in range(2):
        cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=0)
    start_worker()
    (verdict,) = ended(runs, cloud, wait_until)

    assert [(one.first_item, one.items) for one in verdict.pieces] == [(0, 2), (2, 2)]
    assert runs.output("run-1", 1) == scored(items(1, 2, 3, 4))


@pytest.mark.fault(41)
def test_a_single_item_that_ends_its_workers_untold_is_poison(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(1), shard_items=1, policy=TWICE)
    for _ in range(2):
        cloud.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=0)
    start_worker()
    ended(runs, cloud, wait_until)

    (shelved,) = shelf(cloud)
    assert (shelved.failure.code, shelved.failure.item) == (Code.SHARD_POISON, 0)
    assert STAGE.opened == []


@pytest.mark.parametrize("step", ["/splits/", "/quarantine/", "/pieces/000000/0000002", "shards-normal"])
def test_a_worker_whose_storage_fails_while_it_divides_goes_on_from_there(
    step: str, cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    from dropscore.contracts.errors import TransientCloudError

    failures = iter(range(2))

    def sometimes(operation: Operation) -> None:
        if operation.kind.endswith(".put") and step in operation.target and next(failures, None) is not None:
            raise TransientCloudError("busy")

    runs.start("run-1", items(0, 1, Misbehaviour.CORRUPT, 3, 4), shard_items=5)
    cloud.blobs.operations.interrupt = cloud.queue.operations.interrupt = sometimes
    start_worker()
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (4, 1)
    assert runs.output("run-1", 1) == scored(items(0, 1, 3, 4))
    assert [one.range.first_item for one in shelf(cloud)] == [2]


def test_a_divided_shard_put_on_the_queue_again_costs_only_what_is_missing(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(0, 1, Misbehaviour.CORRUPT, 3, 4), shard_items=5)
    start_worker()
    ended(runs, cloud, wait_until)
    cloud.blobs.delete(layout.verdict("run-1", 0))
    opened = len(STAGE.opened)

    shard = ShardSpec(shard_id=0, input_index=0, first_item=0, items=5, work={"offset": 0})
    again = ShardMessage(run_id="run-1", shard=shard, generation=4)
    cloud.queue.send(QueueName.SHARDS_NORMAL, encode_bytes(again))
    (verdict,) = ended(runs, cloud, wait_until)

    assert (verdict.items_done, verdict.items_failed) == (4, 1)
    assert len(STAGE.opened) == opened


def test_a_piece_that_has_its_verdict_has_the_sum_looked_at_again(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    runs.start("run-1", items(0, 1, Misbehaviour.CORRUPT, 3, 4), shard_items=5)
    start_worker()
    ended(runs, cloud, wait_until)
    cloud.blobs.delete(layout.verdict("run-1", 0))

    shard = ShardSpec(shard_id=0, input_index=0, first_item=0, items=5, work={"offset": 0})
    again = ShardMessage(run_id="run-1", shard=shard, generation=1, piece=Piece(first_item=3, items=2))
    cloud.queue.send(QueueName.SHARDS_NORMAL, encode_bytes(again))
    (verdict,) = ended(runs, cloud, wait_until)
    assert (verdict.items_done, verdict.items_failed) == (4, 1)
