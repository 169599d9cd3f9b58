"""Container groups through Azure's own client: what goes over the wire, and what becomes of each answer."""

import pytest
from scripted import Answer, Service

from dropscore.cloud.azure_containers import AzureContainers, connect_containers
from dropscore.cloud.connection import IdentitySettings
from dropscore.cloud.ports import ContainerSpec
from dropscore.cloud.settings import ContainerSettings
from dropscore.contracts.errors import PermanentCloudError, TransientCloudError
from dropscore.contracts.orchestration import ContainerPhase

GROUPS = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups"
SPEC = ContainerSpec(
    name="plan-1-r1",
    image="film.azurecr.io/cpu:1",
    command=("python", "-m", "cpu_worker", "plan", "--run", "r1"),
    environment={"A": "1"},
    secrets={"DataStorage": "AccountKey=x"},
)
ABSENT = Answer(404, {"error": {"code": "ResourceNotFound", "message": "It is not there."}})


@pytest.fixture
def containers(service: Service) -> AzureContainers:
    """Container groups whose service is scripted: plain http on loopback, as the emulator's."""
    settings = ContainerSettings(
        arm_url=service.url, subscription_id="sub", resource_group="rg", location="westeurope", subnet_id=None
    )
    return connect_containers(settings, IdentitySettings(managed=False), identity_id=None)


def group(state: str = "Running", **more) -> dict:
    current = {"state": "Terminated", "exitCode": 0} if state == "Succeeded" else {"state": state}
    container = {"name": "main", "properties": {"instanceView": {"currentState": current}}}
    properties = {"provisioningState": "Succeeded", "instanceView": {"state": state}, "containers": [container]}
    return {"name": "plan-1-r1", "location": "westeurope", "properties": properties, **more}


def test_a_group_is_asked_for_and_not_waited_for(containers, service):
    pending = group("Pending")
    pending["properties"]["provisioningState"] = "Pending"
    service.answer = lambda request: (
        ABSENT
        if request.method == "GET"
        else Answer(201, pending, {"Azure-AsyncOperation": f"{service.url}/operations/1", "Retry-After": "30"})
    )

    containers.start(SPEC)

    assert service.asked() == [f"GET {GROUPS}/plan-1-r1", f"PUT {GROUPS}/plan-1-r1"]
    sent = service.requests[1]
    assert sent.headers["authorization"].startswith("Bearer ")
    (container,) = sent.body["properties"]["containers"]
    assert {"name": "DataStorage", "secureValue": "AccountKey=x"} in container["properties"]["environmentVariables"]


@pytest.mark.shared
def test_what_is_sent_fits_microsofts_document(containers, service, check_spec):
    def answer(request):
        url = f"{request.path}?" + "&".join(f"{name}={value}" for name, value in request.query.items())
        assert check_spec.ACI.check_request(request.method, url, request.body) == []
        if request.path.endswith("/logs"):
            return Answer(200, {"content": "line"})
        if request.path == GROUPS:
            return Answer(200, {"value": []})
        return {"GET": ABSENT, "PUT": Answer(201, group()), "DELETE": Answer(204)}[request.method]

    service.answer = answer

    containers.start(SPEC)
    containers.logs("plan-1-r1")
    containers.names()
    containers.delete("plan-1-r1")

    assert len(service.requests) == 5


def test_a_group_that_exists_is_not_asked_for_again(containers, service):
    service.answer = lambda request: Answer(200, group("Succeeded"))

    containers.start(SPEC)

    assert service.asked() == [f"GET {GROUPS}/plan-1-r1"]


def test_the_state_of_a_group_is_read_from_its_own_json(containers, service):
    service.answer = lambda request: Answer(200, group("Succeeded"))

    state = containers.state("plan-1-r1")

    assert (state.phase, state.exit_code) == (ContainerPhase.SUCCEEDED, 0)


def test_an_absent_group_is_missing_and_has_no_log_and_can_be_deleted(containers, service):
    service.answer = lambda request: ABSENT

    assert containers.state("plan-1-r1").phase is ContainerPhase.MISSING
    assert containers.logs("plan-1-r1") == ""
    containers.delete("plan-1-r1")


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_delete_is_sent_and_not_waited_for(containers, service, status):
    service.answer = lambda request: Answer(
        status, group() if status == 200 else None, {"Location": f"{service.url}/operations/1"}
    )

    containers.delete("plan-1-r1")

    assert service.asked() == [f"DELETE {GROUPS}/plan-1-r1"]


def test_logs_are_what_the_container_printed(containers, service):
    service.answer = lambda request: Answer(200, {"content": "one\ntwo\n"})

    assert containers.logs("plan-1-r1") == "one\ntwo\n"
    assert service.requests[0].path == f"{GROUPS}/plan-1-r1/containers/main/logs"


def test_only_our_own_groups_are_named(containers, service):
    ours, other = group(tags={"product": "dropscore", "run": "r1"}), group(tags={"product": "other"})
    service.answer = lambda request: Answer(200, {"value": [ours, {**other, "name": "x"}, {**group(), "name": "y"}]})

    assert containers.names() == ("plan-1-r1",)


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (409, "ContainerGroupQuotaReached", TransientCloudError),
        (409, "ContainerGroupTransitioning", TransientCloudError),
        (400, "InaccessibleImage", PermanentCloudError),
        (503, "ServiceUnavailable", TransientCloudError),
    ],
)
def test_a_refusal_says_what_was_asked_and_whether_to_try_again(containers, service, status, code, ours):
    refusal = Answer(status, {"error": {"code": code, "message": "No."}})
    service.answer = lambda request: ABSENT if request.method == "GET" else refusal

    with pytest.raises(ours, match=f"start the container group plan-1-r1: HTTP {status} {code}: No."):
        containers.start(SPEC)


def test_the_constant_token_is_never_sent_to_another_machine():
    from azure.core.pipeline import PipelineContext, PipelineRequest
    from azure.core.rest import HttpRequest

    from dropscore.cloud.loopback import LoopbackCredential, LoopbackTokenPolicy

    policy = LoopbackTokenPolicy(LoopbackCredential(), "scope")
    for url in ("http://management.example/x", "https://127.0.0.1/x"):
        with pytest.raises(ValueError, match="not plain http to this machine"):
            policy.on_request(PipelineRequest(HttpRequest("GET", url), PipelineContext(None)))
