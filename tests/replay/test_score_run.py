from typing import Any

import pytest
from driving import Drive, drive, result_of
from worlds import POLICY, RUN, finished, run_world

from dropscore.contracts.base import Contract
from dropscore.contracts.errors import AccessDeniedError, ContainerGoneError, TransientCloudError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import Role
from dropscore.contracts.orchestration import (
    Admission,
    CleanedUp,
    ContainerEnd,
    PlanTotals,
    RunEnd,
    RunRef,
    ScoreEnd,
)
from dropscore.contracts.request import RunPolicy
from dropscore.contracts.run import RunStatus


def run(**others: object) -> Drive:
    return drive("score_run", RunRef(run_id=RUN), run_world(**others))


def end_of(done: Drive) -> RunEnd:
    return result_of(RunEnd, done)


def boom(_: object, at: float) -> RunRef:
    raise TransientCloudError("no answer")


def test_run_walks_its_stages_in_order() -> None:
    done = run()
    assert done.calls() == [
        "admit", "record_status", "run_container", "read_plan", "record_status", "score_shards", "record_status",
        "run_container", "finish", "clean_up",
    ]  # fmt: skip
    assert [told["status"] for told in done.inputs("record_status")] == ["planning", "provisioning", "stitching"]
    assert [told["role"] for told in done.inputs("run_container")] == [Role.PLAN, Role.STITCH]
    assert end_of(done).status is RunStatus.SUCCEEDED


def test_shards_get_the_lane_and_policy_of_the_admission() -> None:
    order = run().inputs("score_shards")[0]
    assert (order["lane"], order["policy"]["stall_s"], order["shards"], order["items"]) == ("urgent", 10.0, 3, 30)


@pytest.mark.fault(10)
def test_refused_request_ends_rejected_without_a_container() -> None:
    why = failure(Code.OPTION_INVALID, field="options.steps")
    done = run(admit=lambda _, at: Admission(run_id=RUN, failure=why))
    assert done.calls() == ["admit", "finish", "clean_up"]
    assert (end_of(done).status, end_of(done).failure) == (RunStatus.REJECTED, why)


def test_run_that_ended_before_is_only_cleaned_up() -> None:
    done = run(admit=lambda _, at: Admission(run_id=RUN, ended=RunStatus.SUCCEEDED))
    assert done.calls() == ["admit", "finish", "clean_up"]
    assert done.inputs("finish")[0]["status"] == "succeeded"


@pytest.mark.parametrize(
    "others",
    [
        {"admit": lambda _, at: Admission(run_id=RUN, cancelled=True)},
        {"run_container": lambda _, at: ContainerEnd(ok=False, cancelled=True)},
        {"score_shards": lambda _, at: ScoreEnd(items_done=3, items_failed=0, cancelled=True)},
        {"run_container": lambda told, at: ContainerEnd(ok=told["role"] == "plan", cancelled=told["role"] != "plan")},
    ],
    ids=["at admission", "while planning", "while scoring", "while stitching"],
)
def test_cancelled_run_ends_cancelled_and_is_cleaned_up(others: dict[str, object]) -> None:
    done = run(**others)
    assert done.calls()[-2:] == ["finish", "clean_up"]
    assert done.inputs("clean_up")[0]["status"] == "cancelled"
    assert end_of(done).status is RunStatus.CANCELLED


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"run_container": lambda _, at: ContainerEnd(ok=False, failure=failure(Code.CONTAINER_TIMEOUT))},
         Code.CONTAINER_TIMEOUT),
        ({"read_plan": lambda _, at: PlanTotals(shards=0, items=0, failure=failure(Code.INPUT_UNREADABLE))},
         Code.INPUT_UNREADABLE),
        ({"score_shards": lambda _, at: ScoreEnd(items_done=3, items_failed=0, failure=failure(Code.RUN_STALLED))},
         Code.RUN_STALLED),
        ({"score_shards": lambda _, at: ScoreEnd(items_done=0, items_failed=30)}, Code.SHARD_FAILED),
    ],
    ids=["container", "plan", "stall", "nothing scored"],
)  # fmt: skip
def test_run_that_cannot_go_on_ends_failed_with_the_reason(others: dict[str, object], code: Code) -> None:
    end = end_of(run(**others))
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert end.failure.code is code


@pytest.mark.parametrize("name", ["admit", "record_status", "run_container", "read_plan", "score_shards"])
def test_step_that_fails_for_good_ends_the_run_and_not_the_orchestration(name: str) -> None:
    done = run(**{name: boom})
    end = end_of(done)
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert end.failure.code is Code.STORAGE_UNAVAILABLE
    assert "no answer" in (end.failure.detail or "")
    assert {"finish", "clean_up"} <= set(done.calls())


def test_answer_that_nobody_understands_ends_the_run_as_internal_error() -> None:
    end = end_of(run(read_plan=lambda _, at: RunRef(run_id=RUN)))
    assert end.status is RunStatus.FAILED
    assert end.failure is not None
    assert end.failure.code is Code.INTERNAL


def test_finish_that_fails_still_returns_the_end_and_cleans_up() -> None:
    done = run(finish=boom)
    assert end_of(done).status is RunStatus.SUCCEEDED
    assert end_of(done).failure is not None
    assert done.calls()[-1] == "clean_up"


STEPS = ["admit", "record_status", "read_plan", "finish", "clean_up"]


@pytest.mark.fault(24)
@pytest.mark.parametrize("name", STEPS)
def test_outage_of_ten_minutes_at_any_step_is_survived(name: str) -> None:
    def gone(told: dict[str, Any], at: float) -> Contract:
        if at < 600.0:
            raise TransientCloudError("no answer")
        return run_world().answers[name](told, at)

    done = run(**{name: gone})
    assert end_of(done).status is RunStatus.SUCCEEDED
    assert end_of(done).failure is None
    assert 600.0 < done.elapsed_s < 640.0
    assert done.most_events <= 300


@pytest.mark.fault(24)
@pytest.mark.parametrize("name", STEPS)
def test_patience_with_a_storage_that_never_answers_ends(name: str) -> None:
    done = run(**{name: boom})
    assert POLICY.patience_s <= done.elapsed_s < 3 * POLICY.patience_s + 100
    assert done.calls()[-1] == "clean_up"


def test_first_step_that_fails_otherwise_is_not_tried_for_minutes() -> None:
    def refused(_: object, at: float) -> RunRef:
        raise AccessDeniedError("no right to it")

    done = run(admit=refused)
    assert done.count("admit") == 1
    end = end_of(done)
    assert end.failure is not None
    assert end.failure.code is Code.STORAGE_REFUSED


def test_clean_up_that_fails_does_not_change_the_end() -> None:
    assert end_of(run(clean_up=boom)).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    "others",
    [
        {"score_shards": lambda _, at: ScoreEnd(items_done=29, items_failed=1)},
        {"read_plan": lambda _, at: PlanTotals(shards=3, items=30, refused=1)},
    ],
    ids=["failed item", "refused input"],
)
def test_missing_items_are_declared_as_gaps(others: dict[str, object]) -> None:
    assert end_of(run(**others)).status is RunStatus.SUCCEEDED_WITH_GAPS


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({"tolerate_items": 2}, Code.TOO_MANY_FAILED),
        ({"tolerate_percent": 9.9}, Code.TOO_MANY_FAILED),
        ({"tolerate_items": 3, "tolerate_percent": 10.0}, None),
    ],
)
def test_more_failed_items_than_tolerated_end_the_run(policy: dict[str, float], code: Code | None) -> None:
    strict = RunPolicy(**policy)  # type: ignore[arg-type]
    end = end_of(
        run(
            admit=lambda _, at: Admission(run_id=RUN, policy=strict),
            score_shards=lambda _, at: ScoreEnd(items_done=27, items_failed=3),
        )
    )
    assert (end.failure.code if end.failure else None) is code
    assert end.status is (RunStatus.SUCCEEDED_WITH_GAPS if code is None else RunStatus.FAILED)


def test_long_clean_up_continues_as_new_and_goes_on_from_the_end() -> None:
    steps = 0

    def admit(_: object, at: float) -> Admission:
        return Admission(run_id=RUN, ended=RunStatus.SUCCEEDED if steps else None)

    def clean_up(_: object, at: float) -> CleanedUp:
        nonlocal steps
        steps += 1
        return CleanedUp(done=steps == 50)

    done = run(admit=admit, clean_up=clean_up)
    assert (done.generations, steps) == (3, 50)
    assert done.calls().count("run_container") == 2
    assert done.most_events <= 300


@pytest.mark.fault(45)
def test_run_whose_outputs_cannot_be_published_ends_failed_with_the_reason() -> None:
    def finish(told: dict[str, Any], at: float) -> RunEnd:
        if told["status"] == "succeeded":
            raise ContainerGoneError("the container outputs does not exist")
        return finished(told)

    done = drive("score_run", RunRef(run_id=RUN), run_world(finish=finish))
    end = result_of(RunEnd, done)
    assert end.failure is not None
    assert (end.status, end.failure.code) == (RunStatus.FAILED, Code.STORAGE_GONE)
    assert [told["status"] for told in done.inputs("finish")] == ["succeeded", "failed"]
    assert done.inputs("clean_up")[0]["status"] == "failed"
