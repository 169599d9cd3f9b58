"""Suspending, resuming, rewinding, deleting: at every stage, twice, and when there is nothing to do."""

from typing import Any

import pytest
from api_client import ApiClient

from activities.states import RunStates
from dropscore.api.starting import Starter
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import ContainerName, Lane, Role
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import CancelMark, Rejection, RunState, RunStatus, StageTime, pending

RUN = "film-0123456789abcdef"
UNDER_WAY = [status for status in RunStatus if not status.ended]
ENDED = [status for status in RunStatus if status.ended]
pytestmark = pytest.mark.fault(50)


@pytest.fixture
def put_run(memory: MemoryCloud) -> Any:
    """Stores a run as it is in a status, clean if it has ended."""

    def put(status: RunStatus, **facts: Any) -> None:
        now = memory.clock.now()
        source = RunSource(kind="trigger", trigger_name="film.json", etag="0x1")
        record = RunRecord(run_id=RUN, source=source, created_at=now, body="{}", body_bytes=2, body_sha256="0" * 64)
        state = RunState(
            run_id=RUN,
            status=status,
            source=source,
            created_at=now,
            updated_at=now,
            workload="style_transfer",
            lane=Lane.NORMAL,
            stages=(StageTime(status=RunStatus.PENDING, at=now), StageTime(status=status, at=now)),
        ).model_copy(update=facts)
        memory.blobs.put(layout.request(RUN), encode_bytes(record))
        memory.blobs.put(layout.state(RUN), encode_bytes(state))
        RunIndex(memory.blobs).put(state, cleaned=status.ended)
        memory.orchestrations.started.append(RUN)
        if status.ended:
            memory.orchestrations.ended.add(RUN)

    return put


def state_of(memory: MemoryCloud) -> RunState:
    return decode(RunState, memory.blobs.get(layout.state(RUN)).data)


@pytest.mark.parametrize("status", UNDER_WAY)
def test_run_is_suspended_and_resumed_at_every_stage(
    api: ApiClient, memory: MemoryCloud, clock: ManualClock, put_run: Any, status: RunStatus
) -> None:
    put_run(status)
    answer = api.post(f"/api/v1/runs/{RUN}/suspend")
    assert answer.status_code == 202
    assert answer.json()["suspended_at"] == clock.now()
    assert answer.json()["links"]["resume"] == f"/api/v1/runs/{RUN}/resume"
    assert "dropscore resume" in state_of(memory).detail
    assert memory.blobs.head(layout.suspend_mark(RUN)) is not None
    clock.advance(60)
    answer = api.post(f"/api/v1/runs/{RUN}/resume")
    assert (answer.status_code, answer.json()["suspended_at"]) == (202, None)
    assert (state_of(memory).suspended_s, state_of(memory).status) == (60.0, status)
    assert memory.blobs.head(layout.suspend_mark(RUN)) is None
    assert memory.orchestrations.nudged == [RUN]


def test_suspending_and_resuming_twice_is_doing_it_once(
    api: ApiClient, memory: MemoryCloud, clock: ManualClock, put_run: Any
) -> None:
    put_run(RunStatus.SCORING)
    since = api.post(f"/api/v1/runs/{RUN}/suspend").json()["suspended_at"]
    clock.advance(10)
    assert api.post(f"/api/v1/runs/{RUN}/suspend").json()["suspended_at"] == since
    assert api.post(f"/api/v1/runs/{RUN}/resume").status_code == 202
    assert api.post(f"/api/v1/runs/{RUN}/resume").status_code == 200
    assert state_of(memory).suspended_s == 10.0


@pytest.mark.parametrize("deed", ["suspend", "resume"])
@pytest.mark.parametrize("status", ENDED)
def test_ended_run_is_neither_suspended_nor_resumed(api: ApiClient, put_run: Any, status: RunStatus, deed: str) -> None:
    put_run(status)
    answer = api.post(f"/api/v1/runs/{RUN}/{deed}")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-ENDED")


@pytest.mark.parametrize("deed", ["suspend", "resume", "rewind"])
def test_what_does_not_exist_cannot_be_steered(api: ApiClient, deed: str) -> None:
    assert api.post(f"/api/v1/runs/{RUN}/{deed}").status_code == 404
    assert api.send("DELETE", f"/api/v1/runs/{RUN}").status_code == 404


def test_list_of_runs_tells_who_is_suspended(api: ApiClient, put_run: Any, clock: ManualClock) -> None:
    put_run(RunStatus.SCORING)
    api.post(f"/api/v1/runs/{RUN}/suspend")
    (listed,) = api.get("/api/v1/runs").json()["runs"]
    assert listed["suspended_at"] == clock.now()


@pytest.mark.fault(54)
def test_failed_run_is_rewound_with_its_verdicts_and_without_its_marks(
    api: ApiClient, memory: MemoryCloud, put_run: Any
) -> None:
    put_run(RunStatus.FAILED, failure=failure(Code.CONTAINER_FAILED), items_done=30)
    mark = CancelMark(run_id=RUN, at=memory.clock.now())
    gone = [
        layout.cancel_mark(RUN),
        layout.stage_failure(RUN, Role.STITCH),
        layout.stitch_result(RUN),
        layout.receipt(RUN),
    ]
    kept = [layout.verdict(RUN, 0), layout.admission(RUN), layout.plan_index(RUN), layout.enqueued(RUN)]
    for path in (*gone, *kept):
        memory.blobs.put(path, encode_bytes(mark))
    answer = api.post(f"/api/v1/runs/{RUN}/rewind")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    state = state_of(memory)
    assert (state.failure, state.rewinds, state.items_done) == (None, 1, 30)
    assert [stage.status.value for stage in state.stages] == ["pending", "failed", "pending"]
    assert [path for path in gone if memory.blobs.head(path) is not None] == []
    assert [path for path in kept if memory.blobs.head(path) is None] == []
    assert memory.orchestrations.ended == set(), "it is under way again"
    assert not RunIndex(memory.blobs).is_cleaned(RUN)


def test_rewinding_twice_is_rewinding_once(api: ApiClient, memory: MemoryCloud, put_run: Any) -> None:
    put_run(RunStatus.FAILED, failure=failure(Code.RUN_STALLED))
    assert [api.post(f"/api/v1/runs/{RUN}/rewind").status_code for _ in range(2)] == [202, 202]
    assert state_of(memory).rewinds == 1


@pytest.mark.parametrize("status", [status for status in ENDED if status is not RunStatus.FAILED])
def test_only_a_failed_run_is_rewound(api: ApiClient, put_run: Any, status: RunStatus) -> None:
    put_run(status)
    answer = api.post(f"/api/v1/runs/{RUN}/rewind")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-ENDED")
    assert str(status) in answer.json()["message"]


@pytest.mark.parametrize("status", UNDER_WAY)
def test_run_under_way_is_neither_rewound_nor_deleted(api: ApiClient, put_run: Any, status: RunStatus) -> None:
    put_run(status)
    for answer in (api.post(f"/api/v1/runs/{RUN}/rewind"), api.send("DELETE", f"/api/v1/runs/{RUN}")):
        assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-UNDER-WAY")


@pytest.mark.parametrize("code", [Code.INPUT_UNREADABLE, Code.MODEL_INVALID, Code.RUN_TOO_LARGE, Code.TOO_MANY_FAILED])
def test_run_that_would_fail_again_is_not_rewound(api: ApiClient, put_run: Any, code: Code) -> None:
    put_run(RunStatus.FAILED, failure=failure(code))
    answer = api.post(f"/api/v1/runs/{RUN}/rewind")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-ENDED")
    assert code in answer.json()["message"]


@pytest.mark.parametrize("left", ["orchestration", "cleaning"])
def test_run_that_is_still_being_cleaned_up_is_waited_for(
    api: ApiClient, memory: MemoryCloud, put_run: Any, left: str
) -> None:
    put_run(RunStatus.FAILED, failure=failure(Code.RUN_STALLED))
    if left == "orchestration":
        memory.orchestrations.ended.clear()
    else:
        RunIndex(memory.blobs).put(state_of(memory))
    for answer in (api.post(f"/api/v1/runs/{RUN}/rewind"), api.send("DELETE", f"/api/v1/runs/{RUN}")):
        assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-UNDER-WAY")
        assert answer.json()["action"] == "Try again in a few seconds."


def test_orchestration_that_is_late_does_not_bring_a_failed_run_back(memory: MemoryCloud, put_run: Any) -> None:
    put_run(RunStatus.FAILED)
    states = RunStates(memory.cloud)
    for status in (RunStatus.PLANNING, RunStatus.SCORING, RunStatus.SUCCEEDED):
        assert states.change(RUN, states.enter(status)).status is RunStatus.FAILED


@pytest.mark.parametrize("status", ENDED)
def test_ended_run_is_deleted_with_all_it_left(
    api: ApiClient, memory: MemoryCloud, put_run: Any, status: RunStatus
) -> None:
    put_run(status)
    rejection = Rejection(trigger="film.json", run_id=RUN, at=memory.clock.now(), failures=())
    memory.blobs.put(layout.rejected("film.json"), encode_bytes(rejection))
    memory.blobs.put(layout.trigger("film.json"), b"{}")
    memory.blobs.put(layout.input_file("film.mp4"), b"x")
    memory.blobs.put(layout.output(f"{RUN}0", "another's.mp4"), b"x")
    for number in range(40):
        memory.blobs.put(layout.output(RUN, f"{number}.png"), b"x")
        memory.blobs.put(layout.verdict(RUN, number), b"x")
        memory.blobs.put(layout.log(RUN, f"actor-{number}"), b"x")
    assert api.send("DELETE", f"/api/v1/runs/{RUN}").json() == {"run_id": RUN, "deleted": True}
    assert memory.blobs.names(ContainerName.OUTPUTS) == (f"{RUN}0/another's.mp4",)
    assert memory.blobs.names(ContainerName.LOGS) == memory.blobs.names(ContainerName.REJECTED) == ()
    assert [name for name in memory.blobs.names(ContainerName.RUNS) if RUN in name] == [f"{RUN}/request.json"]
    assert memory.blobs.names(ContainerName.INPUTS) == ("film.mp4",)
    assert memory.blobs.names(ContainerName.TRIGGERS) == ("film.json",)
    assert api.get("/api/v1/runs").json()["runs"] == []


def test_deleted_run_is_gone_and_says_when(api: ApiClient, memory: MemoryCloud, put_run: Any) -> None:
    put_run(RunStatus.SUCCEEDED)
    for _ in range(2):
        assert api.send("DELETE", f"/api/v1/runs/{RUN}").status_code == 200
    answer = api.get(f"/api/v1/runs/{RUN}")
    assert (answer.status_code, answer.json()["code"]) == (410, "E-RUN-DELETED")
    assert memory.clock.now()[:19] in answer.json()["message"]
    assert b"film" not in memory.blobs.get(layout.request(RUN)).data.replace(RUN.encode(), b""), (
        "nothing of what it was"
    )


def test_neither_its_trigger_nor_its_key_starts_a_deleted_run_again(
    api: ApiClient, memory: MemoryCloud, starter: Starter
) -> None:
    request = {"workload": "style_transfer", "inputs": ["film.mp4"]}
    run_id = api.post("/api/v1/runs", json=request, headers={"Idempotency-Key": "k"}).json()["run_id"]
    states = RunStates(memory.cloud)
    record = decode(RunRecord, memory.blobs.get(layout.request(run_id)).data)
    states.begin(record, lambda state: state.model_copy(update={"status": RunStatus.SUCCEEDED}))
    RunIndex(memory.blobs).put(states.read(run_id), cleaned=True)
    memory.orchestrations.ended.add(run_id)
    assert api.send("DELETE", f"/api/v1/runs/{run_id}").status_code == 200
    memory.orchestrations.started.clear()
    answer = api.post("/api/v1/runs", json=request, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (410, "E-RUN-DELETED")
    assert memory.orchestrations.started == []


def test_run_that_is_being_replayed_is_not_deleted(api: ApiClient, memory: MemoryCloud, put_run: Any) -> None:
    put_run(RunStatus.FAILED)
    now = memory.clock.now()
    source = RunSource(kind="replay", replay_of=RUN)
    record = RunRecord(run_id="replay-1", source=source, created_at=now, body="{}", body_bytes=2, body_sha256=None)
    memory.blobs.put(layout.request("replay-1"), encode_bytes(record))
    RunIndex(memory.blobs).put(pending(record))
    answer = api.send("DELETE", f"/api/v1/runs/{RUN}")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-UNDER-WAY")
    assert "replay-1" in answer.json()["message"]


def test_deletion_of_a_large_run_goes_on_by_steps(
    api: ApiClient, memory: MemoryCloud, clock: ManualClock, put_run: Any
) -> None:
    put_run(RunStatus.SUCCEEDED)
    for number in range(500):
        memory.blobs.put(layout.verdict(RUN, number), b"x")
    memory.blobs.operations.interrupt = lambda _: clock.advance(0.01)
    codes = [api.send("DELETE", f"/api/v1/runs/{RUN}").status_code]
    while codes[-1] == 202:
        assert api.get("/api/v1/runs").json()["runs"] == []
        codes.append(api.send("DELETE", f"/api/v1/runs/{RUN}").status_code)
        assert len(codes) < 30
    assert (len(codes) > 1, codes[-1]) == (True, 200)


def test_cancelling_twice_and_after_the_end_is_answered_clearly(
    api: ApiClient, memory: MemoryCloud, put_run: Any
) -> None:
    put_run(RunStatus.SCORING)
    assert [api.post(f"/api/v1/runs/{RUN}/cancel").status_code for _ in range(2)] == [202, 202]
    put_run(RunStatus.CANCELLED)
    assert api.post(f"/api/v1/runs/{RUN}/cancel").status_code == 200
    put_run(RunStatus.SUCCEEDED)
    answer = api.post(f"/api/v1/runs/{RUN}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-ENDED")
    assert "succeeded" in answer.json()["message"]


def test_suspended_run_can_be_cancelled(api: ApiClient, memory: MemoryCloud, put_run: Any) -> None:
    put_run(RunStatus.SCORING)
    api.post(f"/api/v1/runs/{RUN}/suspend")
    assert api.post(f"/api/v1/runs/{RUN}/cancel").status_code == 202
    assert memory.blobs.head(layout.cancel_mark(RUN)) is not None
