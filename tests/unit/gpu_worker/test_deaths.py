"""What deaths of workers say about shards: tables that can be checked by hand."""

import pytest

from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.plan import Piece
from dropscore.contracts.quarantine import Attempt
from dropscore.contracts.verdict import WorkerFacts
from gpu_worker.deaths import LOADING, MOST_APART, apart, guilt, items_of, needs_solitude, obituary, suspected
from gpu_worker.lives import Cause, Death
from gpu_worker.will import LeftLease, LeftWork, State

SHARD = Piece(first_item=0, items=64)


def death(cause: Cause = Cause.SIGNAL, code: int = 139) -> Death:
    return Death(cause=cause, code=code, at="2026-01-01T00:00:00.000000Z", lived_s=1.0)


def work(what: str, first: int, items: int = 1, *, late: bool = False) -> LeftWork:
    return LeftWork(what=what, items=range(first, first + items), since=0.0, late=late)


def left(*works: LeftWork, state: State = State.STARTED) -> LeftLease:
    return LeftLease(
        slot=0,
        queue="shards-normal",
        message_id="m",
        receipt="r",
        body=b"{}",
        deliveries=1,
        since=0.0,
        lease_s=30.0,
        state=state,
        work=works,
    )


def attempt(
    whole: Piece,
    *at_work: int,
    signal: str | None = "SIGSEGV",
    code: Code = Code.SHARD_POISON,
    stage: str = "decoding",
    death: bool = True,
) -> Attempt:
    return Attempt(
        run_id="run-1",
        shard_id=0,
        range=whole,
        delivery=1,
        at="2026-01-01T00:00:00.000000Z",
        worker=WorkerFacts(worker="w", device="cpu", code_version="0"),
        failure=_failure(code),
        at_work=at_work,
        stage=stage,
        death=death,
        signal=signal,
    )


def _failure(code: Code) -> Failure:
    return failure(code, "its worker's process ended")


# --- when a process has died


@pytest.mark.parametrize(
    ("cause", "state", "works", "blamed"),
    [
        (Cause.SIGNAL, State.STARTED, (work("decoding", 3),), (work("decoding", 3),)),
        (Cause.SIGNAL, State.STARTED, (), ()),
        (Cause.EXIT, State.STARTED, (work("decoding", 3),), (work("decoding", 3),)),
        (Cause.MEMORY, State.STARTED, (work("decoding", 3),), (work("decoding", 3),)),
        (Cause.SIGNAL, State.HELD, (), None),
        (Cause.SIGNAL, State.OVER, (), None),
        (
            Cause.HUNG,
            State.STARTED,
            (work("decoding", 3), work("encoding", 1, late=True)),
            (work("encoding", 1, late=True),),
        ),
        (Cause.HUNG, State.STARTED, (work("decoding", 3),), None),
        (Cause.DEVICE_LOST, State.STARTED, (work("predicting 0", 3),), None),
        (Cause.TOLD, State.STARTED, (work("predicting 0", 3),), None),
    ],
    ids=["killed", "killed-unknown", "exit", "memory", "not-begun", "done", "hung", "hung-beside", "device", "told"],
)
def test_only_what_may_have_ended_the_process_is_blamed(cause, state, works, blamed):
    assert suspected(left(*works, state=state), death(cause)) == blamed


def test_a_death_is_told_in_a_sentence():
    works = (work("decoding", 30), work("predicting 3", 24, 4), work("encoding", 23))
    assert obituary(death(), works).message == (
        "its worker's process ended (SIGSEGV) while decoding item 30, predicting items 24 to 27, encoding item 23"
    )
    assert obituary(death(Cause.EXIT, 1), ()).message == "its worker's process ended (exit code 1)"
    assert obituary(death(Cause.HUNG, 71), (work("decoding", 3),)).code is Code.ITEM_DEADLINE
    assert obituary(death(Cause.MEMORY, 137), ()).code is Code.OUT_OF_MEMORY


def test_loading_a_model_is_not_about_items():
    assert items_of([work(LOADING, 0, 64)]) == frozenset()
    assert items_of([work("decoding", 3), work("encoding", 1)]) == {1, 3}


# --- when a shard is delivered again


def test_one_death_divides_nothing():
    assert guilt(SHARD, [attempt(SHARD, 3)], deaths=3) is None
    assert guilt(SHARD, [attempt(SHARD, 3)], deaths=1) is None
    assert guilt(SHARD, [], deaths=3) is None


def test_the_second_death_divides_with_the_items_at_work_in_both():
    found = guilt(SHARD, [attempt(SHARD, 3, 9), attempt(SHARD, 9, 12)], deaths=3)
    assert found is not None
    assert (found.suspects, found.failure.code) == ((9,), Code.SHARD_POISON)


@pytest.mark.parametrize(
    ("works", "suspects"),
    [([(3,), (9,)], (9,)), ([(), (9,)], (9,)), ([(), ()], ())],
    ids=["none-in-both", "one-unknown", "all-unknown"],
)
def test_where_no_item_was_at_work_each_time_the_last_death_counts_or_any_is_suspected(works, suspects):
    found = guilt(SHARD, [attempt(SHARD, *at_work) for at_work in works], deaths=3)
    assert found is not None
    assert found.suspects == suspects


def test_failures_that_left_the_worker_alive_are_no_deaths():
    attempts = [attempt(SHARD, 3), attempt(SHARD, 3, death=False, code=Code.INTERNAL)]
    assert guilt(SHARD, attempts, deaths=3) is None


def test_an_item_is_given_up_at_the_third_death_with_it_at_work_if_it_also_died_alone():
    item = Piece(first_item=9, items=1)
    above = [attempt(SHARD, 9), attempt(SHARD, 9)]
    assert guilt(item, above, deaths=3) is None
    assert guilt(item, [*above, attempt(SHARD, 8, 9)], deaths=3) is None
    found = guilt(item, [*above, attempt(item, 9)], deaths=3)
    assert found is not None
    assert found.failure.message.startswith("item 9 ended its worker 3 times")


def test_a_kill_that_may_have_come_from_outside_is_not_enough_for_an_item_suspected_before():
    item = Piece(first_item=9, items=1)
    above = [attempt(SHARD, 8, 9), attempt(SHARD, 8, 9)]
    killed = attempt(item, 9, signal="SIGKILL")
    assert guilt(item, [*above, killed], deaths=3) is None
    assert guilt(item, [*above, killed, killed], deaths=3) is not None


def test_it_is_enough_when_the_item_was_the_only_one_at_work_before():
    item = Piece(first_item=9, items=1)
    above = [attempt(SHARD, 8, 9), attempt(SHARD, 9)]
    assert guilt(item, above, deaths=3) is None
    assert guilt(item, [*above, attempt(item, 9, signal="SIGKILL")], deaths=3) is not None


def test_items_that_were_at_work_when_a_process_ended_are_scored_with_none_beside_them():
    assert apart(SHARD, [attempt(SHARD, 3, 9), attempt(SHARD, 9, 99), attempt(SHARD, 5, death=False)]) == {3, 9}
    assert apart(SHARD, [attempt(SHARD, 3, code=Code.ITEM_DEADLINE)]) == {3}
    assert apart(SHARD, [attempt(SHARD)]) == frozenset()
    assert apart(SHARD, [attempt(SHARD, *range(MOST_APART + 1))]) == frozenset()


def test_a_piece_of_several_items_that_was_suspected_is_divided_at_its_first_own_death():
    piece = Piece(first_item=8, items=4)
    found = guilt(piece, [attempt(SHARD, 8, 9), attempt(SHARD, 8, 9), attempt(piece, 9)], deaths=3)
    assert found is not None
    assert found.suspects == (9,)


def test_an_item_that_hung_is_given_up_as_such():
    item = Piece(first_item=0, items=1)
    late = attempt(item, 0, signal=None, code=Code.ITEM_DEADLINE)
    found = guilt(item, [late, late, late], deaths=3)
    assert found is not None
    assert found.failure.code is Code.ITEM_DEADLINE


def test_a_shard_whose_model_kills_whoever_loads_it_is_not_divided():
    dead = attempt(SHARD, stage=LOADING)
    found = guilt(SHARD, [dead, dead], deaths=3)
    assert found is not None
    assert found.suspects is None


def test_what_may_have_ended_a_worker_is_scored_alone_but_for_what_hung():
    assert needs_solitude([attempt(SHARD, 3)])
    assert not needs_solitude([attempt(SHARD, 3, code=Code.ITEM_DEADLINE, signal=None)])
    assert not needs_solitude([attempt(SHARD, 3, death=False)])
