"""The data plane's manners: pages, projections, conditions, files, versions, signatures, refusals."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from azure.batch._patch import BatchSharedKeyAuthPolicy
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest

V = "api-version=2025-06-01"


async def jobs(batch, *names):
    for name in names:
        await batch.make_job(name)


def test_a_list_comes_in_pages_that_link_to_each_other_with_absolute_addresses(run_batch):
    async def scenario(batch):
        await jobs(batch, "c", "a", "b", "e", "d")
        pages, link = [], "/jobs?maxresults=2&$filter=state%20eq%20'active'&$select=id"
        while link:
            page = await batch.get(link)
            pages.append([job["id"] for job in page["value"]])
            link = page.get("odata.nextLink")
            assert link is None or link.startswith("http://127.0.0.1/jobs?")
            if len(pages) == 1:
                await batch.call("DELETE", "/jobs/b")
                await batch.make_job("aa")
        return pages

    assert run_batch(scenario) == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("maxresults=0", "OutOfRangeQueryParameterValue"),
        ("maxresults=1001", "OutOfRangeQueryParameterValue"),
        ("maxresults=ten", "InvalidQueryParameterValue"),
        ("$filter=nonsense", "InvalidQueryParameterValue"),
        ("$select=nonsense", "InvalidQueryParameterValue"),
        ("$expand=nonsense", "InvalidQueryParameterValue"),
        ("$skiptoken=abc", "InvalidQueryParameterValue"),
    ],
)
def test_a_query_that_means_nothing_is_a_400(run_batch, query, code):
    async def scenario(batch):
        return await batch.get(f"/jobs?{query}", status=400)

    assert run_batch(scenario)["code"] == code


def test_statistics_come_when_they_are_asked_for(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "true")
        await batch.task_in("completed", "t")
        return [await batch.get(f"{path}?$expand=stats") for path in ("/pools/pool", "/jobs/job", "/jobs/job/tasks/t")]

    pool, job, task = run_batch(scenario)
    assert job["stats"]["numSucceededTasks"] == 1
    assert task["stats"]["userCPUTime"] == "PT0S"
    assert pool["stats"]["url"].endswith("/pools/pool/stats")


def test_conditions_hold_against_the_version_of_a_resource(run_batch):
    async def scenario(batch):
        await batch.make_job()
        first = await batch.http.get(f"/jobs/job?{V}")
        etag, date = first.headers["etag"], first.headers["last-modified"]
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True)
        earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)

        async def status(method, **headers):
            body = {"priority": 1} if method == "PATCH" else None
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await batch.http.request(method, f"/jobs/job?{V}", json=body, headers=named)).status_code

        found = {
            "same": await status("GET", if_match=etag),
            "any": await status("GET", if_match="*"),
            "other": await status("GET", if_match='"0x1"'),
            "unchanged": await status("GET", if_none_match=etag),
            "not since": await status("GET", if_modified_since=later),
            "since": await status("GET", if_modified_since=earlier),
            "modified": await status("GET", if_unmodified_since=earlier),
            "still": await status("GET", if_unmodified_since=date),
            "no date": await status("GET", if_modified_since="soon"),
            "stale write": await status("PATCH", if_match='"0x1"'),
            "write none": await status("PATCH", if_none_match="*"),
            "good write": await status("PATCH", if_match=etag),
            "second write": await status("PATCH", if_match=etag),
        }
        return found, etag, first.json()["eTag"]

    found, etag, member = run_batch(scenario)
    assert etag == f'"{member}"'
    assert found == {
        "same": 200,
        "any": 200,
        "other": 412,
        "unchanged": 304,
        "not since": 304,
        "since": 200,
        "modified": 412,
        "still": 200,
        "no date": 400,
        "stale write": 412,
        "write none": 412,
        "good write": 200,
        "second write": 412,
    }


async def with_file(batch):
    await batch.make_pool()
    await batch.make_job()
    await batch.add("t", "sh -c 'printf 0123456789; mkdir dir; echo x > dir/x; ln -s /etc/passwd link'")
    await batch.task_in("completed", "t")


def test_files_are_read_whole_or_in_ranges(run_batch):
    async def scenario(batch):
        await with_file(batch)
        found = {}
        for span in (None, "bytes=0-3", "bytes=8-99", "bytes=4-", "bytes=10-11", "bytes=5-2", "lines=1-2"):
            headers = {"ocp-range": span} if span else {}
            answer = await batch.http.get(f"/jobs/job/tasks/t/files/stdout.txt?{V}", headers=headers)
            found[span] = answer.text if answer.is_success else answer.json()["code"]
        head = await batch.http.head(f"/jobs/job/tasks/t/files/stdout.txt?{V}")
        return found, head

    found, head = run_batch(scenario)
    assert found == {
        None: "0123456789",
        "bytes=0-3": "0123",
        "bytes=8-99": "89",
        "bytes=4-": "456789",
        "bytes=10-11": "InvalidRange",
        "bytes=5-2": "InvalidRange",
        "lines=1-2": "InvalidRange",
    }
    assert head.headers["content-length"] == "10"
    assert head.headers["ocp-batch-file-isdirectory"] == "false"
    assert head.headers["ocp-batch-file-mode"].startswith("0100")
    assert head.headers["ocp-batch-file-url"].endswith("/jobs/job/tasks/t/files/stdout.txt")


@pytest.mark.parametrize(
    "name", ["nope.txt", "..%2Fu%2Fstdout.txt", "..%2F..%2F..%2F..%2F..%2F..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd",
             "wd%2Flink", "wd%2F..%2F..%2F..", "a%00b", "..%5C..%5Cetc%5Cpasswd"]
)  # fmt: skip
def test_no_name_leads_out_of_a_tasks_folder(run_batch, name):
    async def scenario(batch):
        await with_file(batch)
        return await batch.http.get(f"/jobs/job/tasks/t/files/{name}?{V}")

    answer = run_batch(scenario)
    assert (answer.status_code, answer.json()["code"]) == (404, "FileNotFound")


def test_files_are_removed_and_folders_only_when_empty_or_asked(run_batch):
    async def scenario(batch):
        await with_file(batch)
        full = await batch.call("DELETE", "/jobs/job/tasks/t/files/wd%2Fdir", status=409)
        await batch.call("DELETE", "/jobs/job/tasks/t/files/wd%2Fdir%2Fx", status=200)
        await batch.call("DELETE", "/jobs/job/tasks/t/files/wd%2Fdir", status=200)
        await batch.call("DELETE", "/jobs/job/tasks/t/files/wd?recursive=true", status=200)
        names = [file["name"] for file in (await batch.get("/jobs/job/tasks/t/files?recursive=true"))["value"]]
        return full, names

    full, names = run_batch(scenario)
    assert full["code"] == "OperationInvalidForCurrentState"
    assert names == ["stderr.txt", "stdout.txt"]


def test_files_are_gone_with_their_time_and_with_their_node(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("short", "true", constraints={"retentionTime": "PT0S"})
        await batch.add("long", "true")
        await batch.task_in("completed", "short")
        await batch.task_in("completed", "long")
        cleaned = await batch.get("/jobs/job/tasks/short/files/stdout.txt", status=409)
        await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 0})
        await batch.pool_steady()
        unavailable = await batch.get("/jobs/job/tasks/long/files/stdout.txt", status=409)
        await batch.add("never", "true")
        return cleaned, unavailable, await batch.get("/jobs/job/tasks/never/files", status=409)

    codes = [error["code"] for error in run_batch(scenario)]
    assert codes == ["TaskFilesCleanedup", "TaskFilesUnavailable", "TaskFilesUnavailable"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/nothing?{V}", 404, "ResourceNotFound"),
        ("PUT", f"/pools?{V}", 405, "UnsupportedHttpVerb"),
        ("GET", f"/jobschedules?{V}", 501, "NotImplemented"),
        ("GET", "/jobs", 400, "MissingRequiredQueryParameter"),
        ("GET", "/jobs?api-version=2019-01-01", 400, "UnsupportedRequestVersion"),
        ("GET", f"/jobs?{V}&$skiptoken=%FF%FF", 400, "InvalidUri"),
        ("GET", f"/pools/nope?{V}", 404, "PoolNotFound"),
        ("GET", f"/pools/nope/nodes?{V}", 404, "PoolNotFound"),
        ("GET", f"/jobs/nope?{V}", 404, "JobNotFound"),
        ("GET", f"/jobs/nope/tasks/t?{V}", 404, "JobNotFound"),
        ("GET", f"/applications/nope?{V}", 404, "ApplicationNotFound"),
    ],
)
def test_what_is_not_there_is_refused_with_its_code(run_batch, method, path, status, code):
    async def scenario(batch):
        return await batch.http.request(
            method, path, headers={"client-request-id": "me", "return-client-request-id": "true"}
        )

    answer = run_batch(scenario)
    error = answer.json()
    assert (answer.status_code, error["code"]) == (status, code)
    assert f"RequestId:{answer.headers['request-id']}" in error["message"]["value"]
    assert answer.headers["client-request-id"] == "me"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"id": NaN}', b'{"id": "a", "id": "b"}', b"\xff"])
def test_a_body_that_is_no_job_is_a_400(run_batch, body):
    async def scenario(batch):
        return await batch.http.post(f"/jobs?{V}", content=body)

    assert run_batch(scenario).status_code == 400


def test_each_task_of_a_collection_is_accepted_or_refused_by_itself(run_batch):
    async def scenario(batch):
        await batch.make_job()
        await batch.add("there", "true")
        tasks = [
            {"id": "new", "commandLine": "true"},
            {"id": "there", "commandLine": "true"},
            {"id": "bad id", "commandLine": "true"},
            {"id": "no-command"},
            {"id": "many", "commandLine": "true", "multiInstanceSettings": {"numberOfInstances": 2}},
        ]
        results = (await batch.post("/jobs/job/addtaskcollection", {"value": tasks}, status=200))["value"]
        many = [{"id": f"t{n}", "commandLine": "true"} for n in range(101)]
        too_many = await batch.post("/jobs/job/addtaskcollection", {"value": many}, status=400)
        fat = [{"id": "fat", "commandLine": "x" * 2**20}]
        too_fat = await batch.post("/jobs/job/addtaskcollection", {"value": fat}, status=413)
        return results, too_many, too_fat

    results, too_many, too_fat = run_batch(scenario)
    assert [result.get("error", {}).get("code") for result in results] == [
        None,
        "TaskExists",
        "InvalidPropertyValue",
        "MissingRequiredProperty",
        "NotImplemented",
    ]
    assert [result["status"] for result in results] == ["success", *["clienterror"] * 4]
    assert (too_many["code"], too_fat["code"]) == ("InvalidPropertyValue", "RequestBodyTooLarge")


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}])
def test_a_web_page_that_found_the_port_does_not_get_through(run_batch, headers):
    async def scenario(batch):
        return await batch.http.get(f"/jobs?{V}", headers=headers)

    assert run_batch(scenario).status_code == 403


KEY = base64.b64encode(b"a key of thirty-two bytes, or so").decode()


def signed(method: str, url: str, *, account="localbatch", key=KEY, body=None, **headers) -> httpx.Request:
    """A request as the real client's own policy signs it."""
    request = HttpRequest(method, url, json=body, headers=headers)
    wrapped = PipelineRequest(request, PipelineContext(None))
    BatchSharedKeyAuthPolicy(AzureNamedKeyCredential(account, key)).on_request(wrapped)
    return httpx.Request(method, url, headers=dict(request.headers), content=request.content)


JOB = {"id": "j", "poolInfo": {"poolId": "p"}}
LIST = f"http://127.0.0.1/jobs?{V}&$filter=state%20eq%20'active'&maxresults=5"


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # inside the client's own policy
@pytest.mark.parametrize(
    "make",
    [
        lambda: signed("GET", LIST),
        lambda: signed("POST", f"http://127.0.0.1/jobs?{V}", body=JOB),
        lambda: signed("GET", LIST, **{"If-None-Match": '"0x5"'}),
        lambda: signed("GET", LIST, **{"ocp-range": "bytes=0-5"}),
    ],
)
def test_what_the_real_client_signs_is_let_in(run_batch, make):
    async def scenario(batch):
        return await batch.http.send(make())

    assert run_batch(scenario, key=KEY).is_success


@pytest.mark.fault(66)
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_who_cannot_sign_stays_out(run_batch):
    def tampered(**changes):
        request = signed("GET", LIST)
        request.headers.update(changes)
        return request

    other = base64.b64encode(b"another key").decode()
    old = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    requests = {
        "unsigned": httpx.Request("GET", LIST),
        "bearer": httpx.Request("GET", LIST, headers={"authorization": "Bearer token"}),
        "no colon": httpx.Request("GET", LIST, headers={"authorization": "SharedKey localbatch"}),
        "other key": signed("GET", LIST, key=other),
        "other account": signed("GET", LIST, account="other"),
        "other query": httpx.Request("GET", f"{LIST}&$select=id", headers=signed("GET", LIST).headers),
        "other date": tampered(**{"ocp-date": format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)}),
        "old": signed("GET", LIST, **{"ocp-date": old}),
    }

    async def scenario(batch):
        health = await batch.http.get("/healthz")
        answers = {name: await batch.http.send(request) for name, request in requests.items()}
        return health, {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()}

    health, found = run_batch(scenario, key=KEY)
    failed = (403, "AuthenticationFailed")
    assert health.is_success
    assert found == {
        "unsigned": (401, "Unauthorized"),
        "bearer": (401, "Unauthorized"),
        "no colon": (400, "InvalidAuthenticationInfo"),
        "other key": failed,
        "other account": failed,
        "other query": failed,
        "other date": failed,
        "old": failed,
    }
