import json

import pytest
from api_client import ApiClient
from stored_runs import put_run

from dropscore.api.starting import Starter
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import AccessDeniedError, PermanentCloudError, TransientCloudError
from dropscore.contracts.names import ContainerName
from dropscore.contracts.request import MAX_REQUEST_BYTES, RunRecord
from dropscore.contracts.run import CancelMark, RunStatus, StageTime

GOOD = {"workload": "style_transfer", "inputs": ["film.mp4"]}


def test_good_request_is_accepted_with_its_address(api: ApiClient, memory: MemoryCloud) -> None:
    answer = api.post("/api/v1/runs", json=GOOD)
    run = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"http://app/api/v1/runs/{run['run_id']}"
    assert answer.headers["retry-after"] == "1"
    assert (run["status"], run["source"]["kind"]) == ("pending", "http")
    assert memory.orchestrations.started == [run["run_id"]]


def test_accepted_run_is_shown_and_listed_at_once(api: ApiClient) -> None:
    run_id = api.post("/api/v1/runs", json=GOOD).json()["run_id"]
    assert api.get(f"/api/v1/runs/{run_id}").json()["status"] == "pending"
    assert [run["run_id"] for run in api.get("/api/v1/runs").json()["runs"]] == [run_id]


def test_record_keeps_the_text_as_it_came(api: ApiClient, memory: MemoryCloud) -> None:
    text = '{"inputs": ["größe.mp4"],  "workload": "style_transfer"}'
    run_id = api.post("/api/v1/runs", content=text.encode()).json()["run_id"]
    record = decode(RunRecord, memory.blobs.get(layout.request(run_id)).data)
    assert (record.body, record.body_bytes) == (text, len(text.encode()))


def test_same_key_and_request_is_the_same_run(api: ApiClient, memory: MemoryCloud) -> None:
    first, second = (api.post("/api/v1/runs", json=GOOD, headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["run_id"] == second.json()["run_id"]
    assert len(memory.orchestrations.started) == 1


def test_same_key_with_another_request_is_a_conflict(api: ApiClient, memory: MemoryCloud) -> None:
    api.post("/api/v1/runs", json=GOOD, headers={"Idempotency-Key": "k-1"})
    answer = api.post("/api/v1/runs", json=GOOD | {"note": "other"}, headers={"Idempotency-Key": "k-1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "E-REQUEST-CONFLICT")
    assert len(memory.orchestrations.started) == 1


def test_calls_without_a_key_are_runs_of_their_own(api: ApiClient) -> None:
    runs = {api.post("/api/v1/runs", json=GOOD).json()["run_id"] for _ in range(3)}
    assert len(runs) == 3


def test_repeated_call_schedules_a_run_that_a_crash_left_unscheduled(api: ApiClient, memory: MemoryCloud) -> None:
    key = {"Idempotency-Key": "k-1"}
    run_id = api.post("/api/v1/runs", json=GOOD, headers=key).json()["run_id"]
    memory.orchestrations.started.clear()
    api.post("/api/v1/runs", json=GOOD, headers=key)
    assert memory.orchestrations.started == [run_id]


def test_repeated_call_does_not_start_an_ended_run_again(api: ApiClient, memory: MemoryCloud) -> None:
    key = {"Idempotency-Key": "k-1"}
    run_id = api.post("/api/v1/runs", json=GOOD, headers=key).json()["run_id"]
    put_run(memory, run_id, RunStatus.SUCCEEDED)
    memory.orchestrations.started.clear()
    assert api.post("/api/v1/runs", json=GOOD, headers=key).json()["status"] == "succeeded"
    assert memory.orchestrations.started == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "E-REQUEST-MALFORMED", None),
        (b"", "E-REQUEST-MALFORMED", None),
        (b"frames", "E-REQUEST-MALFORMED", None),
        (b'{"a": 1, "a": 2}', "E-REQUEST-MALFORMED", None),
        (b'{"a": NaN}', "E-REQUEST-MALFORMED", None),
        ('{"workload": "é"}'.encode("utf-16"), "E-REQUEST-MALFORMED", None),
        (b"[1]", "E-REQUEST-FIELD", None),
        (json.dumps(GOOD | {"lane": "fast"}).encode(), "E-REQUEST-FIELD", "lane"),
        (json.dumps(GOOD | {"inputs": "film.mp4"}).encode(), "E-REQUEST-FIELD", "inputs"),
        (json.dumps(GOOD | {"workload": "style"}).encode(), "E-WORKLOAD-UNKNOWN", "workload"),
        (json.dumps(GOOD | {"options": {"crf": 1}}).encode(), "E-OPTION-INVALID", "options.crf"),
    ],
)
def test_bad_request_is_answered_with_a_problem_and_starts_nothing(
    api: ApiClient, memory: MemoryCloud, body: bytes, code: str, field: str | None
) -> None:
    answer = api.post("/api/v1/runs", content=body, headers={"Content-Type": "application/json"})
    told = answer.json()
    assert answer.status_code == told["status"] == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert (told["code"], told.get("field")) == (code, field)
    assert {"type", "title", "detail", "message", "action", "errors"} <= set(told)
    assert memory.orchestrations.started == []
    assert memory.blobs.names(ContainerName.RUNS) == ()


def test_every_problem_of_a_request_is_listed(api: ApiClient) -> None:
    told = api.post("/api/v1/runs", json=GOOD | {"options": {"crf": 1, "preset": "x"}}).json()
    assert [one["field"] for one in told["errors"]] == ["options.crf", "options.preset"]


def test_request_of_another_type_is_not_read(api: ApiClient) -> None:
    answer = api.post("/api/v1/runs", content=b"a=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/a+json"])
def test_json_types_are_read(api: ApiClient, content_type: str) -> None:
    answer = api.post("/api/v1/runs", content=json.dumps(GOOD).encode(), headers={"Content-Type": content_type})
    assert answer.status_code == 202


def test_request_over_the_limit_is_refused(api: ApiClient, memory: MemoryCloud) -> None:
    answer = api.post("/api/v1/runs", content=b" " * (MAX_REQUEST_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "E-REQUEST-TOO-LARGE")
    assert memory.blobs.names(ContainerName.RUNS) == ()


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
def test_key_that_is_none_is_refused(api: ApiClient, key: str) -> None:
    answer = api.post("/api/v1/runs", json=GOOD, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


def test_run_is_shown_with_its_stages_and_documents(api: ApiClient, memory: MemoryCloud, clock: ManualClock) -> None:
    started = clock.now()
    clock.advance(10)
    stages = (
        StageTime(status=RunStatus.PENDING, at=started),
        StageTime(status=RunStatus.PLANNING, at=clock.now()),
    )
    put_run(memory, "film-1", RunStatus.PLANNING, stages=stages, created_at=started, items_total=3)
    clock.advance(5)
    run = api.get("/api/v1/runs/film-1").json()
    assert run["stage_times"] == {"pending": 10.0, "planning": 5.0}
    assert run["documents"] == {"request": "runs/film-1/request.json", "plan": "runs/film-1/plan/index.json"}
    here = "/api/v1/runs/film-1"
    deeds = {deed: f"{here}/{deed}" for deed in ("operation", "cancel", "suspend")}
    assert run["links"] == {"self": here, **deeds}


def test_ended_run_points_to_its_receipt_report_and_manifest(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, "film-1", RunStatus.SUCCEEDED)
    run = api.get("/api/v1/runs/film-1").json()
    assert {"receipt", "report", "manifest"} <= set(run["documents"])
    assert "cancel" not in run["links"]


@pytest.mark.parametrize("run_id", ["nothing-here", "..", "UPPER", "a", "x" * 60, "a%2Fb", "%00"])
def test_unknown_run_is_a_problem(api: ApiClient, run_id: str) -> None:
    for answer in (api.get(f"/api/v1/runs/{run_id}"), api.post(f"/api/v1/runs/{run_id}/cancel")):
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/problem+json"


def test_runs_are_listed_newest_first_in_pages(api: ApiClient, memory: MemoryCloud, clock: ManualClock) -> None:
    for number in range(5):
        put_run(memory, f"run-{number}")
        clock.advance(1)
    first = api.get("/api/v1/runs", limit="2").json()
    assert [run["run_id"] for run in first["runs"]] == ["run-4", "run-3"]
    second = api.get("/api/v1/runs", limit="2", after=first["next"]).json()
    third = api.get("/api/v1/runs", limit="2", after=second["next"]).json()
    assert [run["run_id"] for run in (*second["runs"], *third["runs"])] == ["run-2", "run-1", "run-0"]
    assert third["next"] is None
    assert api.get(first["next_link"]).json() == second
    assert third["next_link"] is None


def test_runs_of_one_moment_are_all_listed(api: ApiClient, memory: MemoryCloud) -> None:
    for number in range(5):
        put_run(memory, f"run-{number}")
    seen: list[str] = []
    after = ""
    while after is not None:
        page = api.get("/api/v1/runs", limit="2", **({"after": after} if after else {})).json()
        seen += [run["run_id"] for run in page["runs"]]
        after = page["next"]
    assert sorted(seen) == [f"run-{number}" for number in range(5)]


def test_runs_are_filtered_by_status_and_workload(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, "run-1", RunStatus.FAILED)
    put_run(memory, "run-2", RunStatus.SCORING, workload="pose")
    put_run(memory, "run-3", RunStatus.SCORING)
    assert [run["run_id"] for run in api.get("/api/v1/runs", status="failed").json()["runs"]] == ["run-1"]
    assert [run["run_id"] for run in api.get("/api/v1/runs", workload="pose").json()["runs"]] == ["run-2"]


def test_listing_reads_the_index_alone(api: ApiClient, memory: MemoryCloud) -> None:
    for number in range(20):
        put_run(memory, f"run-{number}", items_total=7, items_done=3)
    memory.blobs.operations.clear()
    run = api.get("/api/v1/runs").json()["runs"][0]
    assert memory.blobs.operations.counts() == {"blob.list": 1}
    assert (run["items_total"], run["items_done"], run["lane"], run["workload"]) == (7, 3, "normal", "style_transfer")


def test_entry_that_cannot_be_read_hides_no_other(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, "run-1")
    memory.blobs.put(layout.index_entry("run-2"), b"", metadata={"status": "??"})
    assert [run["run_id"] for run in api.get("/api/v1/runs").json()["runs"]] == ["run-1"]


@pytest.mark.parametrize("query", ["status=done", "limit=0", "limit=x", "limit=201", "statsu=x"])
def test_wrong_query_is_a_problem(api: ApiClient, query: str) -> None:
    answer = api.get(f"/api/v1/runs?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, query.partition("=")[0])


def test_cancelling_marks_the_run_and_wakes_it(api: ApiClient, memory: MemoryCloud) -> None:
    run_id = api.post("/api/v1/runs", json=GOOD).json()["run_id"]
    answers = [api.post(f"/api/v1/runs/{run_id}/cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert decode(CancelMark, memory.blobs.get(layout.cancel_mark(run_id)).data).run_id == run_id
    assert memory.orchestrations.nudged == [run_id, run_id]


def test_cancelling_a_run_without_an_orchestration_starts_one_to_end_it(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, "run-1")
    api.post("/api/v1/runs/run-1/cancel")
    assert memory.orchestrations.started == ["run-1"]


def test_cancelling_a_cancelled_run_is_no_error(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, "run-1", RunStatus.CANCELLED)
    assert api.post("/api/v1/runs/run-1/cancel").status_code == 200


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.REJECTED])
def test_run_that_has_ended_cannot_be_cancelled(api: ApiClient, memory: MemoryCloud, status: RunStatus) -> None:
    put_run(memory, "run-1", status)
    answer = api.post("/api/v1/runs/run-1/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-ENDED")
    assert memory.blobs.head(layout.cancel_mark("run-1")) is None


def test_workloads_come_with_the_schema_of_their_options(api: ApiClient) -> None:
    (workload,) = api.get("/api/v1/workloads").json()["workloads"]
    assert (workload["name"], workload["default_model"]) == ("style_transfer", "mosaic-night@stable")
    assert workload["options"]["properties"]["crf"]["maximum"] == 40
    assert workload["options"]["additionalProperties"] is False


def test_health_tells_whether_storage_answers(api: ApiClient, memory: MemoryCloud) -> None:
    assert api.get("/api/v1/health").json()["status"] == "ok"

    def fail(_: object) -> None:
        raise TransientCloudError("no answer")

    memory.blobs.operations.interrupt = fail
    answer = api.get("/api/v1/health")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TransientCloudError("secret"), 503, "E-STORAGE-UNAVAILABLE"),
        (AccessDeniedError("secret"), 502, "E-STORAGE-REFUSED"),
        (PermanentCloudError("secret"), 500, "E-INTERNAL"),
        (ZeroDivisionError("secret"), 500, "E-INTERNAL"),
    ],
)
def test_no_exception_gets_out_and_no_detail_with_it(
    api: ApiClient, memory: MemoryCloud, error: Exception, status: int, code: str
) -> None:
    def fail(_: object) -> None:
        raise error

    memory.blobs.operations.interrupt = fail
    answer = api.get("/api/v1/runs/run-1")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/nothing", 404), ("DELETE", "/api/v1/runs", 405)])
def test_unknown_address_or_method_is_a_problem(api: ApiClient, method: str, path: str, status: int) -> None:
    answer = api.send(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_starter_is_shared_with_triggers(starter: Starter, api: ApiClient, memory: MemoryCloud) -> None:
    import asyncio

    memory.blobs.put(layout.trigger("film.json"), json.dumps(GOOD).encode())
    run_id = asyncio.run(starter.start_by_trigger("film.json", memory.orchestrations))
    assert api.get(f"/api/v1/runs/{run_id}").json()["source"]["trigger_name"] == "film.json"


def test_a_whole_number_is_one_however_it_is_written(api: ApiClient, memory: MemoryCloud) -> None:
    text = '{"workload": "style_transfer", "inputs": ["a.png"], "options": {"crf": 24.0, "strength": 1}}'
    assert api.post("/api/v1/runs", content=text).status_code == 202
    wrong = api.post("/api/v1/runs", content=text.replace("24.0", "24.5"))
    assert (wrong.status_code, wrong.json()["field"]) == (400, "options.crf")
