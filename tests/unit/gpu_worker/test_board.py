"""Who goes first on the board, what waits for what, and when the next shard is opened."""

import threading

import pytest
from worker_parts import batch, job, loaded

from dropscore.cloud.memory import ManualClock
from gpu_worker.board import READY_BATCHES, STARVED_S, Board
from gpu_worker.job import Job, Stop, StoppedError
from gpu_worker.runner import Ready


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ended() -> list[Job]:
    return []


@pytest.fixture
def board(clock: ManualClock, ended: list[Job]) -> Board:
    return Board(clock, lanes=2, most_sources=4, most_jobs=5, ended=ended.append)


def add(board: Board, clock: ManualClock, *, shard_id: int = 0, items: int = 4, parallel: int = 2, independent=True):
    from worker_parts import Turning

    added = job(
        clock, shard_id=shard_id, items=items, model=loaded(Turning(independent=independent), parallel=parallel)
    )
    board.add(added)
    return added


def give(board: Board, taken) -> None:
    one, work = taken
    board.give(one, work, Ready(work.tensor, 0.1))


def test_the_oldest_shard_goes_first(board, clock):
    first, second = add(board, clock, shard_id=0), add(board, clock, shard_id=1)
    board.put(second, batch(0))
    board.put(first, batch(0))
    assert board.take()[0] is first
    assert board.take()[0] is second


def test_lanes_share_a_shard_whose_batches_are_independent(board, clock):
    one = add(board, clock)
    taken = []
    for number in range(2):
        board.put(one, batch(number, number=number))
        taken.append(board.take()[1].number)
    assert taken == [0, 1]


def test_batches_that_depend_on_each_other_are_never_predicted_at_once(board, clock):
    ordered, other = add(board, clock, shard_id=0, independent=False), add(board, clock, shard_id=1)
    board.put(ordered, batch(0, number=0))
    board.put(other, batch(9))
    first = board.take()
    assert first[0] is ordered
    board.put(ordered, batch(1, number=1))
    assert board.take()[0] is other
    give(board, first)
    assert board.take()[1].number == 1


def test_a_model_that_does_not_use_this_cpu_is_fed_by_one_lane(board, clock):
    one = add(board, clock, parallel=1)
    board.put(one, batch(0, number=0))
    first = board.take()
    board.put(one, batch(1, number=1))
    waiting = threading.Thread(target=lambda: give(board, board.take()), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    give(board, first)
    waiting.join(5)
    assert not waiting.is_alive()


def test_results_come_in_order_whichever_lane_was_first(board, clock):
    one = add(board, clock)
    board.put(one, batch(0, number=0))
    early = board.take()
    board.put(one, batch(1, number=1))
    late = board.take()
    give(board, late)
    give(board, early)
    board.sourced(one, 2)
    assert [board.result(one)[0].number for _ in range(2)] == [0, 1]
    assert board.result(one) is None


def test_a_source_waits_when_enough_is_ready(board, clock):
    one = add(board, clock)
    for number in range(READY_BATCHES):
        board.put(one, batch(number, number=number))
    putting = threading.Thread(target=lambda: board.put(one, batch(9, number=READY_BATCHES)), daemon=True)
    putting.start()
    putting.join(0.05)
    assert putting.is_alive()
    board.take()
    putting.join(5)
    assert not putting.is_alive()


def test_a_source_can_wait_until_the_sink_is_done_with_all_before(board, clock, wait_until):
    one = add(board, clock)
    board.put(one, batch(0))
    give(board, board.take())
    passed = threading.Event()

    def wait() -> None:
        board.await_sunk(one, 1)
        passed.set()

    threading.Thread(target=wait, daemon=True).start()
    assert board.result(one) is not None  # the sink has it, and writes it
    assert not passed.wait(0.05)
    board.sourced(one, 1)
    assert board.result(one) is None
    wait_until(passed.is_set)


def test_a_shard_whose_sink_lags_lets_the_next_one_go_first(board, clock):
    lagging, following = add(board, clock, shard_id=0, items=20), add(board, clock, shard_id=1)
    for number in range(3):
        board.put(lagging, batch(number, number=number))
        give(board, board.take())
    board.put(lagging, batch(3, number=3))
    board.put(following, batch(0))
    assert board.take()[0] is following
    board.result(lagging)
    assert board.take()[0] is lagging


@pytest.mark.parametrize("waits", ["source", "sink"])
def test_stopping_a_shard_wakes_its_stages(board, clock, waits):
    one = add(board, clock)
    for number in range(READY_BATCHES):
        board.put(one, batch(number, number=number))
    caught: list[Stop] = []

    def wait() -> None:
        try:
            board.result(one) if waits == "sink" else board.put(one, batch(9, number=9))
        except StoppedError as stopped:
            caught.append(stopped.reason)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(0.05)
    board.stop(one, Stop.CANCELLED)
    waiting.join(5)
    assert caught == [Stop.CANCELLED]


def test_the_first_reason_to_stop_stays(board, clock):
    one = add(board, clock)
    board.stop(one, Stop.CANCELLED)
    board.stop(one, Stop.FAILED, ValueError())
    assert (one.stop, one.error) == (Stop.CANCELLED, None)


def test_a_shard_has_ended_when_both_stages_and_all_lanes_are_done_with_it(board, clock, ended):
    one = add(board, clock)
    board.put(one, batch(0))
    taken = board.take()
    board.stop(one, Stop.LEAVING)
    board.stage_ended(one)
    board.stage_ended(one)
    assert ended == []
    board.give(*taken, None)
    assert ended == [one]
    assert board.jobs() == []


def test_lanes_end_when_the_board_is_closed_and_empty(board):
    board.close()
    assert board.take() is None


def test_there_is_room_for_a_first_shard_and_not_for_more_until_it_is_open(board, clock):
    assert board.room() == 1
    board.add(job(clock))
    clock.advance(10)
    assert board.room() == 0


def test_the_next_shard_is_opened_when_little_device_time_is_left(board, clock):
    one = add(board, clock, items=10)
    board.measured(one, 0.4)  # two lanes: 0.2 s for each item
    board.put(one, batch(0))
    taken = board.take(), None
    assert board.room() == 0
    one.predicted = 7
    assert board.room() == 0
    one.predicted = 8
    assert board.room() == 1
    assert taken[0][0] is one


def test_tiny_shards_are_opened_several_ahead_up_to_the_limit(board, clock):
    for shard_id in range(4):
        assert board.room() == 1
        one = add(board, clock, shard_id=shard_id, items=1)
        board.measured(one, 0.001)
    assert board.room() == 0


def test_a_lane_that_finds_nothing_for_a_while_has_another_shard_opened(board, clock):
    one = add(board, clock, items=100)
    board.measured(one, 10.0)
    board.put(one, batch(0))
    give(board, board.take())
    assert board.room() == 0
    clock.advance(STARVED_S + 0.01)
    assert board.room() == 1


def test_shards_that_one_lane_must_score_alone_are_opened_one_for_each_lane(board, clock):
    add(board, clock, shard_id=0, independent=False, items=100)
    assert board.room() == 1
    add(board, clock, shard_id=1, independent=False, items=100)
    assert board.room() == 0


def test_no_more_shards_are_decoded_at_once_than_memory_allows(clock, ended):
    board = Board(clock, lanes=2, most_sources=2, most_jobs=3, ended=ended.append)
    shards = [add(board, clock, shard_id=number, items=1) for number in range(2)]
    board.measured(shards[0], 0.001)
    assert board.room() == 0
    board.sourced(shards[0], 1)
    assert board.room() == 1
    add(board, clock, shard_id=2, items=1)
    board.sourced(shards[1], 1)
    assert board.room() == 0


def test_nothing_is_opened_on_a_closed_board(board):
    board.close()
    assert board.room() == 0


def await_turn(board: Board, one: Job) -> threading.Thread:
    thread = threading.Thread(target=board.await_turn, args=(one,), daemon=True)
    thread.start()
    return thread


def end(board: Board, one: Job) -> None:
    for _ in range(2):
        board.stage_ended(one)


def test_a_shard_that_is_to_be_alone_waits_for_all_others_and_lets_none_begin(board, clock):
    other, alone = add(board, clock, shard_id=0), add(board, clock, shard_id=1)
    alone.alone = True
    waiting = await_turn(board, alone)
    assert board.room() == 0
    waiting.join(0.05)
    assert waiting.is_alive()
    end(board, other)
    waiting.join(5)
    assert not waiting.is_alive()
    assert board.room() == 0
    end(board, alone)
    assert board.room() == 1


def test_shards_that_are_to_be_alone_go_one_after_the_other(board, clock, wait_until):
    first, second = add(board, clock, shard_id=0), add(board, clock, shard_id=1)
    first.alone = second.alone = True
    threads = [await_turn(board, first)]
    threads[0].join(0.05)
    assert threads[0].is_alive()
    threads.append(await_turn(board, second))
    threads[0].join(5)
    assert [thread.is_alive() for thread in threads] == [False, True]
    end(board, first)
    threads[1].join(5)
    assert not threads[1].is_alive()


def test_a_shard_that_waits_to_be_alone_can_be_stopped(board, clock):
    add(board, clock, shard_id=0)
    alone = add(board, clock, shard_id=1)
    alone.alone = True
    board.stop(alone, Stop.CANCELLED)
    with pytest.raises(StoppedError):
        board.await_turn(alone)
