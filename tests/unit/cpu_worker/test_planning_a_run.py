"""`cpu_worker plan`."""

import logging

import pytest
from word_run import RUN, MemoryWordRun, fail_once_at

from cpu_worker.main import Exit, run_command
from cpu_worker.plan import plan_run
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code, Failure
from dropscore.contracts.measured import Timings
from dropscore.contracts.names import Role
from dropscore.contracts.plan import SHARDS_PER_PAGE, PlanIndex
from dropscore.contracts.request import ModelRef

MODEL = ModelRef(name="letters-net", version="1", digest="0" * 64)


def index_of(run: MemoryWordRun) -> PlanIndex:
    return decode(PlanIndex, run.bytes(layout.plan_index(RUN)))


def timings(megapixel_s: float) -> bytes:
    return encode_bytes(
        Timings(
            device="cpu",
            setup_s=0.1,
            megapixel_s=megapixel_s,
            lanes=2,
            shards=3,
            updated_at="2026-01-01T00:00:00.000000Z",
        )
    )


def test_a_plan_has_its_shards_in_order_and_its_index_last(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop", b"score"])

    plan_run(RUN, word_run.ports)

    assert [(s.shard_id, s.input_index, s.first_item, s.items) for s in word_run.shards()] == [
        (0, 0, 0, 3),
        (1, 0, 3, 1),
        (2, 1, 4, 3),
        (3, 1, 7, 2),
    ]
    index = index_of(word_run)
    assert (index.shards, index.items, index.pages) == (4, 9, 1)
    written = word_run.blobs.operations.targets("blob.put")
    assert written[-1] == str(layout.plan_index(RUN))


def test_whoever_waits_for_the_plan_is_nudged_once_it_is_there(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"])

    plan_run(RUN, word_run.ports)

    assert word_run.nudges == ["planned"]


def test_a_planned_run_is_left_as_it_is(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"])
    plan_run(RUN, word_run.ports)
    before = word_run.bytes(layout.plan_index(RUN))
    word_run.blobs.operations.clear()

    plan_run(RUN, word_run.ports)

    assert word_run.bytes(layout.plan_index(RUN)) == before
    assert "blob.put" not in word_run.blobs.operations.counts()


def test_pages_hold_a_thousand_shards(word_run: MemoryWordRun) -> None:
    word_run.admit([b"x" * (SHARDS_PER_PAGE + 1)], shard=1)

    plan_run(RUN, word_run.ports)

    assert index_of(word_run).pages == 2
    assert len(word_run.bytes(layout.plan_page(RUN, 1)).splitlines()) == SHARDS_PER_PAGE
    assert len(word_run.bytes(layout.plan_page(RUN, 2)).splitlines()) == 1
    assert [shard.shard_id for shard in word_run.shards()] == list(range(SHARDS_PER_PAGE + 1))


def test_a_run_of_too_many_shards_is_refused_before_a_page_is_written(word_run: MemoryWordRun) -> None:
    word_run.admit([b"x" * 100_001], shard=1)

    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.PERMANENT

    failure = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.PLAN)))
    assert failure.code is Code.RUN_TOO_LARGE
    assert "100,001" in failure.message
    assert not word_run.exists(layout.plan_page(RUN, 1))
    assert not word_run.exists(layout.plan_index(RUN))


def test_inputs_that_cannot_be_scored_are_named_and_the_others_planned(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop", b"!!", b"score"])

    plan_run(RUN, word_run.ports)

    index = index_of(word_run)
    assert [failure.input for failure in index.refused] == ["words/1.txt"]
    assert index.items == 9


def test_a_run_without_any_good_input_fails_for_good_and_says_so(word_run: MemoryWordRun) -> None:
    word_run.admit([b"!!"])

    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.PERMANENT

    failure = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.PLAN)))
    assert (failure.code, failure.input) == (Code.INPUT_UNREADABLE, "words/0.txt")
    assert word_run.nudges == ["plan failed"]


def test_an_input_that_was_replaced_since_admission_fails_for_good(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"])
    word_run.put(layout.input_file("words/0.txt"), b"other")

    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.PERMANENT

    failure = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.PLAN)))
    assert failure.code is Code.INPUT_CHANGED


def test_an_unknown_model_pace_is_assumed(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"], model=MODEL)

    plan_run(RUN, word_run.ports)

    assert index_of(word_run).facts["pace_measured"] is False
    assert not word_run.exists(layout.plan_pace(RUN))


def test_the_pace_is_what_was_measured_last(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"], model=MODEL)
    word_run.put(layout.timings("letters-net", "1", "old-device"), timings(4.0))
    word_run.clock.advance(60)
    word_run.put(layout.timings("letters-net", "1", "new-device"), timings(0.25))

    plan_run(RUN, word_run.ports)

    assert index_of(word_run).facts == {"pace_measured": True, "megapixel_s": 0.25}


def test_a_second_attempt_plans_with_the_pace_of_the_first(word_run: MemoryWordRun) -> None:
    """Shards must not depend on which attempt wrote their page."""
    word_run.admit([b"drop"], model=MODEL)
    word_run.put(layout.timings("letters-net", "1", "device"), timings(0.25))
    blobs = word_run.blobs
    blobs.operations.interrupt = fail_once_at(str(layout.plan_index(RUN)), "blob.put")
    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.TRANSIENT
    word_run.put(layout.timings("letters-net", "1", "device"), timings(99.0))

    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.OK

    assert index_of(word_run).facts["megapixel_s"] == 0.25


def test_of_two_planners_at_once_the_first_index_counts(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"])
    other_index: list[bytes] = []

    def other_planner_was_faster(operation: Operation) -> None:
        if operation.target == str(layout.plan_page(RUN, 1)) and not other_index:
            other_index.append(b"")
            plan_run(RUN, word_run.ports)
            other_index[0] = word_run.bytes(layout.plan_index(RUN))

    word_run.blobs.operations.interrupt = other_planner_was_faster
    word_run.clock.advance(5)

    plan_run(RUN, word_run.ports)

    assert word_run.bytes(layout.plan_index(RUN)) == other_index[0]


def test_storage_that_does_not_answer_is_worth_another_try(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"])
    word_run.blobs.operations.interrupt = fail_once_at(str(layout.admission(RUN)), "blob.get")

    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.TRANSIENT
    assert not word_run.exists(layout.stage_failure(RUN, Role.PLAN))
    assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.OK


def test_a_planner_that_breaks_its_promise_is_caught_and_logged(
    word_run: MemoryWordRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import letters_workload

    honest = letters_workload.plan
    monkeypatch.setattr(
        letters_workload,
        "plan",
        lambda request: (
            (plan := honest(request))
            and type(plan)(
                shards=plan.shards[::-1],
                inputs=plan.inputs,
                refused=(),
                facts={},
                shard_items=3,
                reason="",
            )
        ),
    )
    word_run.admit([b"drop"])

    with caplog.at_level(logging.ERROR):
        assert run_command(Role.PLAN, RUN, word_run.ports) == Exit.UNEXPECTED

    assert "does not follow on shard" in caplog.text
    assert not word_run.exists(layout.plan_index(RUN))
