"""Waiting for a run by the asynchronous pattern: 202 and where to look again, then 200 with what came of it."""

import pytest
from api_client import ApiClient
from stored_runs import put_run

from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.http.problems import Problem
from dropscore.contracts.http.results import RunResult
from dropscore.contracts.receipt import OutputFile, OutputManifest
from dropscore.contracts.run import RunStatus

RUN = "film-1"
HERE = f"/api/v1/runs/{RUN}/operation"
PICTURE = {"workload": "style_transfer", "inputs": ["a.png"]}
UNDER_WAY = [status for status in RunStatus if not status.ended]
ENDED = [status for status in RunStatus if status.ended]
GOOD = (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS)


@pytest.mark.parametrize("status", UNDER_WAY)
def test_run_under_way_answers_202_with_its_own_absolute_address(
    api: ApiClient, memory: MemoryCloud, status: RunStatus
) -> None:
    put_run(memory, RUN, status, items_total=8, items_done=3, items_failed=1)
    answer = api.get(HERE)
    assert (answer.status_code, answer.headers["location"]) == (202, f"http://app{HERE}")
    result = decode(RunResult, answer.json())
    assert (result.ended, result.succeeded, result.percent) == (False, False, 50.0)


def test_address_to_follow_keeps_the_wish_for_errors(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN)
    assert api.get(HERE, fail="true").headers["location"] == f"http://app{HERE}?fail=true"


@pytest.mark.parametrize(("age_s", "again_s"), [(0, 1), (9, 1), (50, 5), (299, 29), (86_400, 30)])
def test_callers_come_again_later_the_longer_a_run_has_taken(
    api: ApiClient, memory: MemoryCloud, clock: ManualClock, age_s: float, again_s: int
) -> None:
    put_run(memory, RUN)
    clock.advance(age_s)
    assert api.get(HERE).headers["retry-after"] == str(again_s)


@pytest.mark.parametrize("status", ENDED)
def test_every_end_is_a_result(api: ApiClient, memory: MemoryCloud, status: RunStatus) -> None:
    put_run(memory, RUN, status, items_total=8, items_done=8)
    answer = api.get(HERE)
    assert answer.status_code == 200
    assert "location" not in answer.headers
    result = decode(RunResult, answer.json())
    assert (result.status, result.ended, result.succeeded) == (status, True, status in GOOD)
    assert result.run == f"/api/v1/runs/{RUN}"


def test_outputs_and_report_are_linked(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED)
    one = OutputFile(name="film.mp4", sha256="0" * 64, size_bytes=3, media_type="video/mp4")
    manifest = OutputManifest(
        run_id=RUN, status=RunStatus.SUCCEEDED, outputs=(one,), items_published=1, items_total=1, coverage=1.0
    )
    memory.blobs.put(layout.output_manifest(RUN), encode_bytes(manifest))
    memory.blobs.put(layout.output(RUN, one.name), b"mp4")
    memory.blobs.put(layout.report_html(RUN), b"<p>report</p>")
    result = decode(RunResult, api.get(HERE).json())
    assert [(output.name, output.sha256) for output in result.outputs] == [("film.mp4", "0" * 64)]
    assert result.more is False
    assert result.report is not None
    assert memory.links.answer("GET", result.outputs[0].url, {}, b"").body == b"mp4"
    assert memory.links.answer("GET", result.report, {}, b"").body == b"<p>report</p>"


def test_run_under_way_has_no_links(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN)
    result = decode(RunResult, api.get(HERE).json())
    assert (result.outputs, result.report, result.expires_at) == ((), None, None)


BAD_INPUT = failure(Code.INPUT_MISSING, "There is no input 'a.png'.", field="inputs[0]")
BUG = failure(Code.SHARD_FAILED)
BUSY = failure(Code.STORAGE_UNAVAILABLE)


@pytest.mark.parametrize(
    ("status", "why", "expected", "code"),
    [
        (RunStatus.REJECTED, BAD_INPUT, 422, "E-INPUT-MISSING"),
        (RunStatus.FAILED, BUG, 500, "E-SHARD-FAILED"),
        (RunStatus.FAILED, BUSY, 500, "E-STORAGE-UNAVAILABLE"),
        (RunStatus.FAILED, None, 500, "E-INTERNAL"),
        (RunStatus.CANCELLED, None, 409, "E-RUN-CANCELLED"),
    ],
)
def test_end_without_outputs_is_an_error_for_who_asks_so(
    api: ApiClient, memory: MemoryCloud, status: RunStatus, why: object, expected: int, code: str
) -> None:
    put_run(memory, RUN, status, failure=why)
    answer = api.get(HERE, fail="true")
    told = decode(Problem, answer.json())
    assert (answer.status_code, told.status, told.code) == (expected, expected, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("status", GOOD)
def test_outputs_are_no_error(api: ApiClient, memory: MemoryCloud, status: RunStatus) -> None:
    put_run(memory, RUN, status)
    assert api.get(HERE, fail="true").status_code == 200


def test_wish_that_is_no_truth_value_is_refused(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN)
    answer = api.get(HERE, fail="perhaps")
    assert (answer.status_code, answer.json()["field"]) == (400, "fail")


def test_there_is_no_waiting_for_a_run_that_is_not_there(api: ApiClient) -> None:
    assert api.get("/api/v1/runs/nobody-1/operation").status_code == 404


class TestFollowing:
    def test_start_names_the_operation_for_who_follows_by_themselves(self, api: ApiClient) -> None:
        answer = api.post("/api/v1/runs", params={"follow": "operation"}, json=PICTURE)
        assert answer.status_code == 202
        assert answer.headers["location"] == f"http://app/api/v1/runs/{answer.json()['run_id']}/operation"
        assert api.get(answer.headers["location"]).status_code == 202

    def test_start_names_the_run_otherwise(self, api: ApiClient) -> None:
        answer = api.post("/api/v1/runs", json=PICTURE)
        assert answer.headers["location"] == f"http://app/api/v1/runs/{answer.json()['run_id']}"

    def test_way_that_is_none_starts_nothing(self, api: ApiClient, memory: MemoryCloud) -> None:
        answer = api.post("/api/v1/runs", params={"follow": "me"}, json=PICTURE)
        assert (answer.status_code, answer.json()["field"]) == (400, "follow")
        assert memory.orchestrations.started == []
