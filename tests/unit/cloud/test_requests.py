"""Bodies of requests, field by field, and against Microsoft's published interface where it is at hand."""

import pytest

from dropscore.cloud.ports import ContainerSpec
from dropscore.cloud.requests import container_group, registry_of, task_pages, worker_job, worker_task

IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups/plan-1-r1"


@pytest.fixture
def spec() -> ContainerSpec:
    return ContainerSpec(
        name="plan-1-r1",
        image="film.azurecr.io/cpu:1",
        command=("python", "-m", "cpu_worker", "plan", "--run", "r1"),
        environment={"B": "2", "A": "1"},
        secrets={"DataStorage": "AccountKey=x"},
        cpu=1.5,
        memory_gib=3.0,
        tags={"run": "r1"},
    )


def test_a_worker_on_the_bare_node_has_no_container_settings():
    body = worker_task("w-r1-0-0", image=None, environment={"WORKER_DEVICE": "cpu"})

    assert body["id"] == "w-r1-0-0"
    assert body["commandLine"] == "python -m gpu_worker"
    assert body["requiredSlots"] == 1
    assert "containerSettings" not in body
    assert body["userIdentity"] == {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}
    assert body["constraints"] == {"maxTaskRetryCount": 0, "maxWallClockTime": "PT24H", "retentionTime": "PT4H"}


def test_a_worker_in_a_container_is_root_there_and_asks_for_no_gpu():
    body = worker_task("w", image="film.azurecr.io/gpu:1", environment={})

    assert body["containerSettings"]["imageName"] == "film.azurecr.io/gpu:1"
    assert body["containerSettings"]["workingDirectory"] == "containerImageDefault"
    assert "--gpus" not in body["containerSettings"]["containerRunOptions"]
    assert body["userIdentity"] == {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}


def test_a_workers_environment_keeps_freed_memory_unless_told_otherwise():
    def variables(environment):
        body = worker_task("w", image=None, environment=environment)
        return {setting["name"]: setting["value"] for setting in body["environmentSettings"]}

    assert variables({"A": "1"}) == {
        "A": "1",
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
        "MALLOC_TRIM_THRESHOLD_": "1073741824",
    }
    assert variables({"MALLOC_TRIM_THRESHOLD_": "5"})["MALLOC_TRIM_THRESHOLD_"] == "5"


def test_the_job_outlives_its_tasks():
    body = worker_job("dropscore-gpus", "gpus")

    assert body == {
        "id": "dropscore-gpus",
        "poolInfo": {"poolId": "gpus"},
        "onAllTasksComplete": "noaction",
        "onTaskFailure": "noaction",
        "constraints": {"maxTaskRetryCount": 0},
        "metadata": [{"name": "product", "value": "dropscore"}],
    }


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_tasks_are_added_a_hundred_at_a_time(count, sizes):
    pages = task_pages([{"id": str(number)} for number in range(count)])

    assert [len(page["value"]) for page in pages] == sizes
    assert [task["id"] for page in pages for task in page["value"]] == [str(number) for number in range(count)]


@pytest.mark.fault(30)
def test_a_container_group_runs_once_with_its_command_and_size(spec):
    body = container_group(spec, location="westeurope")
    (container,) = body["properties"]["containers"]

    assert body["location"] == "westeurope"
    assert body["tags"] == {"run": "r1", "product": "dropscore"}
    assert body["properties"]["restartPolicy"] == "Never"
    assert body["properties"]["osType"] == "Linux"
    assert container["properties"]["image"] == "film.azurecr.io/cpu:1"
    assert container["properties"]["command"] == ["python", "-m", "cpu_worker", "plan", "--run", "r1"]
    assert container["properties"]["resources"] == {"requests": {"cpu": 1.5, "memoryInGB": 3.0}}


@pytest.mark.fault(56)
def test_secrets_of_a_container_are_never_plain(spec):
    (container,) = container_group(spec, location="x")["properties"]["containers"]

    assert container["properties"]["environmentVariables"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "2"},
        {"name": "DataStorage", "secureValue": "AccountKey=x"},
    ]


def test_a_group_with_an_identity_pulls_its_image_with_it(spec):
    body = container_group(spec, location="x", identity_id=IDENTITY, subnet_id=SUBNET)

    assert body["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    assert body["properties"]["imageRegistryCredentials"] == [{"server": "film.azurecr.io", "identity": IDENTITY}]
    assert body["properties"]["subnetIds"] == [{"id": SUBNET}]


def test_a_public_image_is_pulled_without_credentials(spec):
    public = ContainerSpec(name="x", image="mcr.microsoft.com/cpu:1", command=(), environment={})

    assert "imageRegistryCredentials" not in container_group(public, location="x", identity_id=IDENTITY)["properties"]


def test_a_group_without_identity_or_subnet_names_none(spec):
    body = container_group(spec, location="x")

    assert "identity" not in body
    assert "subnetIds" not in body["properties"]
    assert "imageRegistryCredentials" not in body["properties"]


@pytest.mark.parametrize(
    ("image", "server"),
    [
        ("film.azurecr.io/cpu:1", "film.azurecr.io"),
        ("localhost:5000/cpu", "localhost:5000"),
        ("library/python:3.13", ""),
        ("dropscore-cpu", ""),
    ],
)
def test_the_registry_is_the_first_part_that_looks_like_a_host(image, server):
    assert registry_of(image) == server


@pytest.mark.shared
@pytest.mark.parametrize("image", [None, "film.azurecr.io/gpu:1"])
def test_batch_bodies_fit_microsofts_document(check_spec, image):
    version = f"api-version={check_spec.BATCH.version}"
    task = worker_task("w-r1-0-0", image=image, environment={"A": "1"})

    assert check_spec.BATCH.check_request("POST", f"/jobs?{version}", worker_job("j", "p")) == []
    (page,) = task_pages([task])
    assert check_spec.BATCH.check_request("POST", f"/jobs/j/addtaskcollection?{version}", page) == []
    broken = {**page, "value": [{**task, "commandline": "x"}]}
    assert check_spec.BATCH.check_request("POST", f"/jobs/j/addtaskcollection?{version}", broken) != []


@pytest.mark.shared
def test_container_bodies_fit_microsofts_document(check_spec, spec):
    url = f"{GROUP}?api-version={check_spec.ACI.version}"

    for options in ({}, {"identity_id": IDENTITY}, {"identity_id": IDENTITY, "subnet_id": SUBNET}):
        body = container_group(spec, location="westeurope", **options)
        assert check_spec.ACI.check_request("PUT", url, body) == []
