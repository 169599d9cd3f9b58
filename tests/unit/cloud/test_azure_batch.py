"""Workers through Azure's own Batch client: what goes over the wire, and what becomes of each answer."""

import subprocess
import sys

import pytest
from scripted import Answer, Request, Service

from dropscore.cloud.azure_batch import AzureWorkerPool, connect_pool
from dropscore.cloud.connection import IdentitySettings
from dropscore.cloud.settings import BatchSettings
from dropscore.contracts.errors import AccessDeniedError, PermanentCloudError, TransientCloudError

KEY = "c2VjcmV0LWtleS1vZi10ZXN0cw=="


@pytest.fixture
def pool(service: Service) -> AzureWorkerPool:
    """The workers of a pool whose service is scripted."""
    settings = BatchSettings(url=service.url, account="acct", key=KEY, pool_id="gpus", job_id="dropscore-gpus")
    return connect_pool(settings, IdentitySettings(managed=False), image=None, environment={"WORKER_DEVICE": "cpu"})


def error(status: int, code: str) -> Answer:
    return Answer(status, {"code": code, "message": {"lang": "en-US", "value": f"It is {code}.\nRequestId:1"}})


def added(request: Request, status: str = "success", code: str = "") -> Answer:
    results = []
    for task in request.body["value"]:
        result = {"taskId": task["id"], "status": status}
        if code:
            result["error"] = {"code": code, "message": {"lang": "en-US", "value": "said so"}}
        results.append(result)
    return Answer(200, {"value": results})


def test_workers_are_added_signed_in_one_request(pool, service):
    service.answer = added

    pool.add(["w-r1-0-0", "w-r1-0-1"])

    (request,) = service.requests
    assert (request.method, request.path) == ("POST", "/jobs/dropscore-gpus/addtaskcollection")
    assert [task["id"] for task in request.body["value"]] == ["w-r1-0-0", "w-r1-0-1"]
    assert {"name": "WORKER_DEVICE", "value": "cpu"} in request.body["value"][0]["environmentSettings"]
    assert request.headers["authorization"].startswith("SharedKey acct:")


@pytest.mark.shared
def test_what_is_sent_fits_microsofts_document(pool, service, check_spec):
    def answer(request):
        url = f"{request.path}?" + "&".join(f"{name}={value}" for name, value in request.query.items())
        assert check_spec.BATCH.check_request(request.method, url, request.body) == []
        if request.path.endswith("addtaskcollection"):
            return error(404, "JobNotFound") if len(service.requests) == 1 else added(request)
        if request.path == "/jobs":
            return Answer(201)
        if request.path.endswith("/terminate"):
            return Answer(204)
        return Answer(200, {"value": [{"id": "w", "state": "active"}]})

    service.answer = answer

    pool.add(["w"])
    pool.counts()
    pool.end(waiting_only=True)
    pool.end(waiting_only=False)

    assert len(service.requests) == 8


def test_the_job_is_made_when_it_is_missed_and_only_then(pool, service):
    def answer(request):
        if request.path == "/jobs":
            return Answer(201)
        return error(404, "JobNotFound") if len(service.requests) == 1 else added(request)

    service.answer = answer
    pool.add(["w-1"])
    pool.add(["w-2"])

    assert service.asked() == [
        "POST /jobs/dropscore-gpus/addtaskcollection",
        "POST /jobs",
        "POST /jobs/dropscore-gpus/addtaskcollection",
        "POST /jobs/dropscore-gpus/addtaskcollection",
    ]
    assert service.requests[1].body["poolInfo"] == {"poolId": "gpus"}


def test_a_job_that_somebody_else_made_meanwhile_is_used(pool, service):
    def answer(request):
        if request.path == "/jobs":
            return error(409, "JobExists")
        return error(404, "JobNotFound") if len(service.requests) == 1 else added(request)

    service.answer = answer

    pool.add(["w-1"])

    assert len(service.requests) == 3


def test_a_worker_that_exists_is_left_as_it_is(pool, service):
    service.answer = lambda request: added(request, "clienterror", "TaskExists")

    pool.add(["w-1"])

    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [("servererror", "ServerBusy", TransientCloudError), ("clienterror", "InvalidPropertyValue", PermanentCloudError)],
)
def test_a_worker_that_was_not_added_is_told_without_repeating(pool, service, status, code, ours):
    service.answer = lambda request: added(request, status, code)

    with pytest.raises(ours, match=f"w-1: {code}: said so"):
        pool.add(["w-1"])

    assert len(service.requests) == 1


def test_workers_are_counted_from_a_list_page_by_page(pool, service):
    def answer(request):
        if "$skiptoken" in request.query:
            return Answer(200, {"value": [{"id": "w-3", "state": "running"}]})
        assert request.query["$filter"] == "state eq 'active' or state eq 'preparing' or state eq 'running'"
        assert request.query["$select"] == "id,state"
        link = f"{service.url}{request.path}?api-version=2025-06-01&$skiptoken=2"
        tasks = [{"id": "w-1", "state": "running"}, {"id": "w-2", "state": "active"}]
        return Answer(200, {"value": tasks, "odata.nextLink": link})

    service.answer = answer

    counts = pool.counts()

    assert (counts.running, counts.waiting) == (2, 1)


def test_without_a_job_there_are_no_workers(pool, service):
    service.answer = lambda request: error(404, "JobNotFound")

    assert pool.counts().running == 0
    assert pool.end(waiting_only=False) == 0


@pytest.mark.parametrize(
    ("waiting_only", "condition"),
    [(True, "state eq 'active'"), (False, "state eq 'active' or state eq 'preparing' or state eq 'running'")],
)
def test_ending_counts_the_workers_that_were_ended(pool, service, waiting_only, condition):
    def answer(request):
        if request.method == "GET":
            assert request.query["$filter"] == condition
            return Answer(200, {"value": [{"id": name, "state": "active"} for name in ("w-1", "w-2", "w-3")]})
        if "w-2" in request.path:
            return error(409, "TaskCompleted")
        return error(404, "TaskNotFound") if "w-3" in request.path else Answer(204)

    service.answer = answer

    assert pool.end(waiting_only=waiting_only) == 1


def test_a_refusal_to_end_is_not_taken_for_an_end(pool, service):
    def answer(request):
        if request.method == "GET":
            return Answer(200, {"value": [{"id": "w-1", "state": "active"}]})
        return error(403, "InsufficientAccountPermissions")

    service.answer = answer

    with pytest.raises(AccessDeniedError, match="end the worker w-1"):
        pool.end(waiting_only=False)


@pytest.mark.fault(32)
def test_an_absent_pool_is_the_doubt(pool, service):
    service.answer = lambda request: error(404, "PoolNotFound")

    assert pool.doubts() == "The pool 'gpus' does not exist in the Batch account 'acct'."


@pytest.mark.fault(32)
def test_a_quota_is_the_doubt(pool, service):
    quota = {"code": "AccountCoreQuotaReached", "message": "Core quota reached."}

    def answer(request):
        if request.path == "/pools/gpus":
            return Answer(200, {"id": "gpus", "vmSize": "Standard_NC4as_T4_v3", "resizeErrors": [quota]})
        return Answer(200, {"value": []})

    service.answer = answer

    assert "AccountCoreQuotaReached: Core quota reached. This is a quota" in pool.doubts()


def test_a_busy_service_is_transient_after_a_few_quick_tries(pool, service):
    service.answer = lambda request: error(503, "ServerBusy")

    with pytest.raises(TransientCloudError, match="ServerBusy"):
        pool.counts()

    assert 2 <= len(service.requests) <= 4


def test_azures_package_is_not_imported_before_the_first_call():
    code = "import dropscore.cloud.azure_batch, dropscore.cloud.azure_containers, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    modules = done.stdout.split()

    assert "dropscore.cloud.azure_batch" in modules
    assert not any(name.startswith(("azure.batch", "azure.mgmt", "azure.identity")) for name in modules)
