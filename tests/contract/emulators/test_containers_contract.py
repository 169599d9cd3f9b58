"""The Container Instances emulator against Microsoft's contract: the real client, every exchange checked."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.mgmt.containerinstance import ContainerInstanceManagementClient, models

from localcloud.containers.http.service import NOT_EMULATED

pytestmark = pytest.mark.shared

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "specs" / "containerinstance" / "recorded_requests.json"
REQUESTS: list[dict[str, Any]] = json.loads(RECORDED.read_text()) if RECORDED.exists() else []
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"


@pytest.fixture(scope="module")
def emulator(start_emulator):
    """One emulator for all tests here; each uses a resource group of its own."""
    return start_emulator("containers", "--grace", "0.5")


def group(*command: str) -> models.ContainerGroup:
    """A group as the product puts one: an identity, a registry, a secret, one container that runs once."""
    return models.ContainerGroup(
        location="westeurope",
        tags={"run": "r1"},
        identity=models.ContainerGroupIdentity(
            type="UserAssigned", user_assigned_identities={IDENTITY: models.UserAssignedIdentities()}
        ),
        os_type="Linux",
        restart_policy="Never",
        sku="Standard",
        image_registry_credentials=[models.ImageRegistryCredential(server="r.azurecr.io", identity=IDENTITY)],
        subnet_ids=[models.ContainerGroupSubnetId(id="/subscriptions/s/subnet")],
        containers=[
            models.Container(
                name="w",
                image="r.azurecr.io/x:1",
                command=list(command),
                resources=models.ResourceRequirements(requests=models.ResourceRequests(cpu=2.0, memory_in_gb=4.0)),
                environment_variables=[
                    models.EnvironmentVariable(name="A", value="1"),
                    models.EnvironmentVariable(name="S", secure_value="secret"),
                ],
            )
        ],
    )


def state(client: ContainerInstanceManagementClient, where: str, name: str) -> str:
    return client.container_groups.get(where, name).instance_view.state


def a_group_is_put_followed_read_and_deleted(client: ContainerInstanceManagementClient, wait_until) -> None:
    created = client.container_groups.begin_create_or_update("one", "cg", group("sh", "-c", "echo $A $S")).result()
    assert created.provisioning_state == "Succeeded"
    wait_until(lambda: state(client, "one", "cg") == "Succeeded")
    shown = client.container_groups.get("one", "cg")
    current = shown.containers[0].instance_view.current_state
    assert (current.state, current.exit_code) == ("Terminated", 0)
    assert shown.containers[0].environment_variables[1].secure_value is None
    assert client.containers.list_logs("one", "cg", "w").content == "1 secret\n"
    stamped = client.containers.list_logs("one", "cg", "w", tail=1, timestamps=True).content
    assert stamped.endswith("Z 1 secret\n")
    client.container_groups.update("one", "cg", models.Resource(tags={"run": "r2"}))
    assert [found.tags for found in client.container_groups.list_by_resource_group("one")] == [{"run": "r2"}]
    assert "cg" in [found.name for found in client.container_groups.list()]
    deleted = client.container_groups.begin_delete("one", "cg").result()
    assert deleted.name == "cg"
    with pytest.raises(ResourceNotFoundError) as gone:
        client.container_groups.get("one", "cg")
    assert gone.value.error.code == "ResourceNotFound"
    client.container_groups.begin_delete("one", "cg").result()


def a_running_group_is_stopped_started_restarted_and_deleted(
    client: ContainerInstanceManagementClient, wait_until
) -> None:
    client.container_groups.begin_create_or_update("two", "cg", group("sleep", "60")).result()
    wait_until(lambda: state(client, "two", "cg") == "Running")
    client.container_groups.stop("two", "cg")
    wait_until(lambda: state(client, "two", "cg") == "Stopped")
    client.container_groups.begin_start("two", "cg").result()
    wait_until(lambda: state(client, "two", "cg") == "Running")
    client.container_groups.begin_restart("two", "cg").result()
    wait_until(lambda: state(client, "two", "cg") == "Running")
    client.container_groups.begin_delete("two", "cg").result()
    assert list(client.container_groups.list_by_resource_group("two")) == []


def a_provider_tells_what_it_offers(client: ContainerInstanceManagementClient, _) -> None:
    assert any(operation.name.endswith("containerGroups/write") for operation in client.operations.list())
    assert next(iter(client.location.list_usage("westeurope"))).name.value == "ContainerGroups"
    assert list(client.location.list_cached_images("westeurope")) == []
    assert next(iter(client.location.list_capabilities("westeurope"))).os_type == "Linux"
    client.container_groups.begin_create_or_update("three", "cg", group("true")).result()
    assert client.container_groups.get_outbound_network_dependencies_endpoints("three", "cg") == []
    client.subnet_service_association_link.begin_delete("three", "vnet", "subnet").result()


def a_refused_group_names_the_member_at_fault(client: ContainerInstanceManagementClient, _) -> None:
    wrong = group("true")
    wrong.containers[0].resources.requests.cpu = 0
    with pytest.raises(HttpResponseError) as refused:
        client.container_groups.begin_create_or_update("four", "cg", wrong)
    assert refused.value.error.code == "InvalidRequestContent"
    assert "cpu" in refused.value.error.message


WALKS = (
    a_group_is_put_followed_read_and_deleted,
    a_running_group_is_stopped_started_restarted_and_deleted,
    a_provider_tells_what_it_offers,
    a_refused_group_names_the_member_at_fault,
)


@pytest.mark.fault(72)
def test_the_real_client_walks_through_every_operation_and_every_exchange_conforms(
    emulator, containers_client, exchanges, check_spec, wait_until, subtests, capsys
):
    """The number that counts is printed: how many of Microsoft's operations the real client has called here."""
    client = containers_client(emulator)
    for walk in WALKS:
        with subtests.test(msg=walk.__name__):
            walk(client, wait_until)
    assert exchanges.problems(check_spec.ACI) == []
    covered = exchanges.operations(check_spec.ACI)
    operations = {(method, template): op["operationId"] for method, _, template, op in check_spec.ACI.operations}
    not_emulated = {operations[key] for key in NOT_EMULATED}
    with capsys.disabled():
        print(
            f"\nContainer Instances: {len(covered)} of {len(operations)} operations called with success by the real "
            f"client, {len(exchanges.found)} exchanges checked against Microsoft's contract; "
            f"{len(not_emulated)} answer 501."
        )
    assert covered | not_emulated == set(operations.values())
    assert not covered & not_emulated


@pytest.mark.fault(72)
@pytest.mark.parametrize("number", range(len(REQUESTS)), ids=lambda number: f"{number}-{REQUESTS[number]['method']}")
def test_a_recorded_request_is_answered_as_the_contract_says(
    number, emulator, containers_client, exchanges, check_spec, wait_until
):
    client = containers_client(emulator)
    request = json.loads(json.dumps(REQUESTS[number]).replace("/rg/", f"/rg{number}/"))
    about_cg = "/cg" in request["url"]
    if about_cg and request["method"] != "PUT":
        client.container_groups.begin_create_or_update(f"rg{number}", "cg", group("true")).result()
        wait_until(lambda: state(client, f"rg{number}", "cg") == "Succeeded")
    if request["body"]:
        request["body"]["properties"]["containers"][0]["properties"]["command"] = ["true"]  # there is no module `x`
    answer = client._send_request(HttpRequest(request["method"], request["url"], json=request["body"]))
    assert answer.status_code == 404 if "nope" in request["url"] else answer.status_code < 300, answer.text()
    assert exchanges.problems(check_spec.ACI) == []
