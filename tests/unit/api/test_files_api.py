"""Links to outputs and inputs, and links to upload, as the API hands them out."""

import json
from datetime import datetime

import httpx
import pytest
from api_client import ApiClient
from stored_runs import put_run

import function_app
from dropscore.api.app import create_api
from dropscore.api.callers import Caller
from dropscore.api.operations import Access
from dropscore.cloud.memory import ManualClock, MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.http.files import InputList, OutputList, UploadLinks
from dropscore.contracts.http.problems import Problem
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.names import ContainerName
from dropscore.contracts.receipt import OutputFile, OutputManifest
from dropscore.contracts.request import InputRef
from dropscore.contracts.run import RunStatus

RUN = "film-0123456789abcdef"


def publish(memory: MemoryCloud, files: dict[str, bytes]) -> None:
    outputs = tuple(
        OutputFile(name=name, sha256=sha256_hex(data), size_bytes=len(data), media_type="video/mp4")
        for name, data in files.items()
    )
    for name, data in files.items():
        memory.blobs.put(layout.output(RUN, name), data)
    manifest = OutputManifest(
        run_id=RUN, status=RunStatus.SUCCEEDED, outputs=outputs, items_published=1, items_total=1, coverage=1.0
    )
    memory.blobs.put(layout.output_manifest(RUN), encode_bytes(manifest))


def opened(memory: MemoryCloud, url: str, method: str = "GET", body: bytes = b"", **headers: str) -> httpx.Response:
    """What storage answers to whoever follows a link."""
    answer = memory.links.answer(method, url, headers, body)
    return httpx.Response(answer.status, headers=answer.headers, content=answer.body)


def outputs_of(api: ApiClient, **query: str) -> OutputList:
    answer = api.get(f"/api/v1/runs/{RUN}/outputs", **query)
    assert answer.status_code == 200, answer.text
    return decode(OutputList, answer.content)


def asked_for(api: ApiClient, *names: object) -> httpx.Response:
    return api.post("/api/v1/uploads", json={"files": [{"name": name} for name in names]})


def test_outputs_have_their_facts_and_a_link_that_reads_them(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED)
    publish(memory, {"größe.mp4": b"film", "b/c.mp4": b"other"})
    told = outputs_of(api)
    assert [(one.name, one.size_bytes, one.sha256) for one in told.outputs] == [
        ("größe.mp4", 4, sha256_hex(b"film")),
        ("b/c.mp4", 5, sha256_hex(b"other")),
    ]
    answer = opened(memory, told.outputs[0].url)
    assert (answer.content, answer.headers["content-type"]) == (b"film", "video/mp4")


def test_documents_are_told_as_far_as_they_exist(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.FAILED)
    assert (outputs_of(api).outputs, outputs_of(api).documents) == ((), ())
    memory.blobs.put(layout.receipt(RUN), b"{}")
    memory.blobs.put(layout.report_html(RUN), b"<!doctype html>")
    publish(memory, {})
    told = {one.name: one for one in outputs_of(api).documents}
    assert list(told) == ["report.html", "receipt.json", "manifest.json"]
    assert {name: one.media_type for name, one in told.items()} == {
        "report.html": "text/html",
        "receipt.json": "application/json",
        "manifest.json": "application/json",
    }
    page = opened(memory, told["report.html"].url)
    assert page.content == b"<!doctype html>"
    assert page.headers["content-disposition"].startswith('attachment; filename="report.html"')


def test_links_to_read_end_after_a_quarter_of_an_hour(api: ApiClient, memory: MemoryCloud, clock: ManualClock) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED)
    publish(memory, {"a.mp4": b"film"})
    told = outputs_of(api)
    left = datetime.fromisoformat(told.expires_at) - datetime.fromisoformat(clock.now())
    assert left.total_seconds() == 15 * 60
    clock.advance(15 * 60 - 1)
    assert opened(memory, told.outputs[0].url).status_code == 200
    clock.advance(1)
    assert opened(memory, told.outputs[0].url).status_code == 403


def test_many_outputs_come_in_pages(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED)
    publish(memory, {f"{number:04d}.mp4": b"x" for number in range(1201)})
    first = outputs_of(api)
    assert (len(first.outputs), first.next) == (1000, "1000")
    second = outputs_of(api, after=str(first.next))
    assert (len(second.outputs), second.next) == (201, None)
    assert len({one.name for one in (*first.outputs, *second.outputs)}) == 1201
    assert [one.name for one in outputs_of(api, limit="2", after="7").outputs] == ["0007.mp4", "0008.mp4"]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"limit": "0"}, "limit"), ({"limit": "1001"}, "limit"), ({"limit": "²"}, "limit"), ({"after": "-1"}, "after")],
)
def test_a_page_that_is_none_is_refused(api: ApiClient, memory: MemoryCloud, query: dict[str, str], field: str) -> None:
    put_run(memory, RUN, RunStatus.SUCCEEDED)
    for what in ("outputs", "inputs"):
        answer = api.get(f"/api/v1/runs/{RUN}/{what}", **query)
        assert (answer.status_code, decode(Problem, answer.content).field) == (400, field)


def test_inputs_have_the_version_they_had_and_a_link(api: ApiClient, memory: MemoryCloud) -> None:
    put_run(memory, RUN, RunStatus.SCORING)
    address = f"/api/v1/runs/{RUN}/inputs"
    assert decode(InputList, api.get(address).content).inputs == ()
    etag = memory.blobs.put(layout.input_file("a/film.mp4"), b"film")
    ref = InputRef(name="a/film.mp4", etag=etag, size_bytes=4)
    memory.blobs.put(layout.inputs(RUN), encode_bytes(ref) + b"\n")
    (told,) = decode(InputList, api.get(address).content).inputs
    assert (told.name, told.etag, told.size_bytes, told.media_type) == ("a/film.mp4", etag, 4, "video/mp4")
    assert opened(memory, told.url, **{"if-match": f'"{etag}"'}).content == b"film"


@pytest.mark.parametrize("what", ["outputs", "inputs"])
def test_an_unknown_run_has_no_files(api: ApiClient, what: str) -> None:
    answer = api.get(f"/api/v1/runs/{RUN}/{what}")
    assert (answer.status_code, decode(Problem, answer.content).code) == (404, "E-RUN-UNKNOWN")


def test_uploads_lie_under_one_new_prefix_and_their_links_write_them(api: ApiClient, memory: MemoryCloud) -> None:
    first = decode(UploadLinks, asked_for(api, "scans/ä b.png", "c.png").content)
    again = decode(UploadLinks, asked_for(api, "c.png").content)
    assert first.prefix != again.prefix
    assert first.prefix.startswith("20260101-000000-")
    assert [one.input for one in first.files] == [first.prefix + "scans/ä b.png", first.prefix + "c.png"]
    assert {one.method for one in first.files} == {"PUT"}
    for one in first.files:
        assert opened(memory, one.url, one.method, b"bytes").status_code == 400, "without its headers"
        assert opened(memory, one.url, one.method, b"bytes", **one.headers).status_code == 201
    assert memory.blobs.names(ContainerName.INPUTS) == tuple(sorted(one.input for one in first.files))


def test_asking_for_links_writes_nothing(api: ApiClient, memory: MemoryCloud) -> None:
    asked_for(api, "a.png")
    assert memory.blobs.operations.counts() == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../other/a.png", "'.' or '..'"),
        ("a/./b.png", "'.' or '..'"),
        ("/a.png", "absolute"),
        ("C:/a.png", "absolute"),
        ("a\\b.png", "backslash"),
        ("a//b.png", "empty part"),
        ("a\x00.png", "control character"),
        ("gpj\u202e.exe", "direction of writing"),
        ("folder/", "folder"),
        ("good.png", "same as files[0].name"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_its_field(api: ApiClient, name: str, reason: str) -> None:
    answer = asked_for(api, "good.png", name)
    told = decode(Problem, answer.content)
    assert (answer.status_code, told.code, told.field) == (422, "E-INPUT-NAME", "files[1].name")
    assert reason in told.message


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"files": []}, "files"),
        ({}, "files"),
        ({"files": [{"name": ""}]}, "files[0].name"),
        ({"files": [{"name": "x" * 401}]}, "files[0].name"),
        ({"files": [{"name": 7}]}, "files[0].name"),
        ({"files": [{"name": "a", "size": 1}]}, "files[0].size"),
        ({"files": [{"name": "a"}], "prefix": "mine/"}, "prefix"),
        ({"files": [{"name": str(number)} for number in range(1001)]}, "files"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_with_its_field(
    api: ApiClient, body: dict[str, object], field: str
) -> None:
    answer = api.post("/api/v1/uploads", json=body)
    assert (answer.status_code, decode(Problem, answer.content).field) == (400, field)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'{"files": [{"name": "\\ud800.png"}]}'])
def test_what_is_no_request_is_refused(api: ApiClient, body: bytes) -> None:
    answer = api.post("/api/v1/uploads", content=body)
    assert answer.status_code == 400
    assert decode(Problem, answer.content).code in ("E-REQUEST-MALFORMED", "E-REQUEST-FIELD", "E-INPUT-NAME")


def test_too_large_a_request_is_not_read(api: ApiClient) -> None:
    answer = api.post("/api/v1/uploads", content=json.dumps({"files": [{"name": "x" * 300_000}]}).encode())
    assert (answer.status_code, decode(Problem, answer.content).code) == (413, "E-REQUEST-TOO-LARGE")


def test_a_tenants_uploads_lie_below_its_own_folder(memory: MemoryCloud, ports) -> None:  # type: ignore[no-untyped-def]
    class OneTenant:
        tenants = True

        def caller(self, headers: object) -> Caller:
            return Caller(name="jo", access=Access.SUBMITTER, tenant="north")

    services = function_app.assemble(ports, OneTenant()).services
    api = ApiClient(create_api(lambda: services), memory.orchestrations)
    told = decode(UploadLinks, asked_for(api, "a.png").content)
    assert told.prefix.startswith("north/20260101-")
    assert told.files[0].input == told.prefix + "a.png"


def test_a_storage_that_lends_no_key_now_is_told(
    api: ApiClient, memory: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise TransientCloudError("could not borrow a key to make links: timed out")

    monkeypatch.setattr(memory.links, "to_write", refuse)
    answer = asked_for(api, "a.png")
    assert (answer.status_code, decode(Problem, answer.content).code) == (503, "E-STORAGE-UNAVAILABLE")
