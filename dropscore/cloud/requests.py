"""Bodies of the requests to Batch and Container Instances, in the services' own JSON. Pure: nothing is sent here.

Member names and meaning: Batch data plane 2025-06-01, Container Instances 2023-05-01.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dropscore.cloud.ports import ContainerSpec

TASKS_PER_CALL = 100
"""Most tasks that one request may add."""

WORKER_COMMAND = "python -m gpu_worker"
CONTAINER_NAME = "main"
"""Name of the one container of a group."""

PRODUCT_TAG = {"product": "dropscore"}
"""Marks what is ours, so that it can be found and swept."""

WORKER_DAY = "PT24H"
"""A worker is ended after a day whatever it does, and another comes if there is work: a stuck one costs no more."""
KEEP_FILES = "PT4H"
"""How long a node keeps an ended task's files; logs are in storage by then."""

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
"""Tells glibc to keep up to a GiB of freed memory instead of giving it back after each frame.

Measured with glibc 2.36: 1,000 page faults for each freed and newly taken array of 16 to 100 MB without, 55 with.
"""

_REGISTRIES = (".azurecr.io", ".azurecr.cn", ".azurecr.us")


def worker_job(job_id: str, pool_id: str) -> dict[str, Any]:
    """The long-lived job that holds the worker tasks of one pool. It stays when all its tasks have ended."""
    return {
        "id": job_id,
        "poolInfo": {"poolId": pool_id},
        "onAllTasksComplete": "noaction",
        "onTaskFailure": "noaction",
        "constraints": {"maxTaskRetryCount": 0},
        "metadata": [{"name": name, "value": value} for name, value in PRODUCT_TAG.items()],
    }


def worker_task(task_id: str, *, image: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """One resident worker: one task on one slot of a node.

    Without an image it runs straight on the node: Batch refuses container settings on a pool without containers,
    and demands them on a pool with. It is never retried by Batch; who needs a worker adds a new one.
    """
    body: dict[str, Any] = {
        "id": task_id,
        "commandLine": WORKER_COMMAND,
        "requiredSlots": 1,
        "environmentSettings": [
            {"name": name, "value": value} for name, value in sorted({**ALLOCATOR, **environment}.items())
        ],
        "constraints": {"maxTaskRetryCount": 0, "maxWallClockTime": WORKER_DAY, "retentionTime": KEEP_FILES},
        "userIdentity": {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}},
    }
    if image is not None:
        # A user without rights on the node is not root inside the container, and could not write its caches.
        body["userIdentity"] = {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}
        # No --gpus here: Batch gives containers the node's GPUs by itself.
        body["containerSettings"] = {
            "imageName": image,
            "containerRunOptions": "--rm",
            "workingDirectory": "containerImageDefault",
        }
    return body


def task_pages(tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tasks as the bodies of as few requests as possible."""
    return [{"value": list(tasks[start : start + TASKS_PER_CALL])} for start in range(0, len(tasks), TASKS_PER_CALL)]


def container_group(
    spec: ContainerSpec, *, location: str, identity_id: str | None = None, subnet_id: str | None = None
) -> dict[str, Any]:
    """A group of one container that runs once. Its identity also pulls the image, if the registry is Azure's."""
    server = registry_of(spec.image)
    properties: dict[str, Any] = {
        "osType": "Linux",
        "restartPolicy": "Never",
        "sku": "Standard",
        "containers": [{"name": CONTAINER_NAME, "properties": _container(spec)}],
    }
    if identity_id is not None and server.endswith(_REGISTRIES):
        properties["imageRegistryCredentials"] = [{"server": server, "identity": identity_id}]
    if subnet_id is not None:
        properties["subnetIds"] = [{"id": subnet_id}]
    body: dict[str, Any] = {"location": location, "tags": {**spec.tags, **PRODUCT_TAG}, "properties": properties}
    if identity_id is not None:
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity_id: {}}}
    return body


def registry_of(image: str) -> str:
    """The registry server in an image's name; empty for the default one. `r.azurecr.io/cpu:1` gives `r.azurecr.io`."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first) else ""


def _container(spec: ContainerSpec) -> dict[str, Any]:
    plain = [{"name": name, "value": value} for name, value in sorted(spec.environment.items())]
    secret = [{"name": name, "secureValue": value} for name, value in sorted(spec.secrets.items())]
    return {
        "image": spec.image,
        "command": list(spec.command),
        "environmentVariables": plain + secret,
        "resources": {"requests": {"cpu": spec.cpu, "memoryInGB": spec.memory_gib}},
    }
