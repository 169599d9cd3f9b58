"""What is refused about groups beyond the shape of their bodies."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from localcloud.containers.bodies import ContainerProperties, GroupBody, Name
from localcloud.containers.state import ContainerRun, Group, Wish
from localcloud.emulation.routing import Call, ServiceError

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def new_group(call: Call, body: GroupBody, now: datetime) -> Group:
    """A group that has not run yet, named by the request's path. Raises ServiceError."""
    name = call.parameters["containerGroupName"]
    try:
        _NAME.validate_python(name)
    except ValidationError:
        reason = "a name has 1 to 63 lower-case letters, digits and hyphens, no hyphen first or last"
        raise ServiceError(400, "InvalidContainerGroupName", f"{name!r} is no name of a group: {reason}.") from None
    return Group(
        subscription=call.parameters["subscriptionId"],
        resource_group=call.parameters["resourceGroupName"],
        name=name,
        body=body,
        created_at=now,
        runs=tuple(ContainerRun(name=container.name) for container in body.properties.containers),
    )


def check_group(body: GroupBody) -> None:
    """Raise ServiceError for a group that Azure would refuse, or that has what the emulator lacks."""
    properties = body.properties
    if properties.os_type not in {"Linux", "Windows"}:
        raise ServiceError(400, "InvalidOsType", f"osType is Linux or Windows, not {properties.os_type!r}.")
    lacking = {
        "Windows containers": properties.os_type == "Windows",
        "init containers": properties.init_containers,
        "deployment extensions": properties.extensions,
        "confidential groups": properties.confidential_compute_properties,
        "volumes other than emptyDir": any(volume.empty_dir is None for volume in properties.volumes or ()),
    }
    _refuse_lacking(lacking)
    for container in properties.containers:
        _check_container(container.properties)


def _check_container(container: ContainerProperties) -> None:
    lacking = {
        "an image's own command: give `command`": not container.command,
        "probes": container.liveness_probe or container.readiness_probe,
        "GPUs of containers": container.resources.requests.gpu,
    }
    _refuse_lacking(lacking)


def _refuse_lacking(lacking: Mapping[str, object]) -> None:
    for what, wanted in lacking.items():
        if wanted:
            raise ServiceError(501, "NotImplemented", f"The emulator does not implement {what}.")


def check_replacement(existing: Group, body: GroupBody) -> None:
    """Raise ServiceError unless a group that is put again differs in its tags alone.

    The same group once more is a repeated request: it starts nothing again.
    """
    if existing.wish is Wish.DELETE:
        raise ServiceError(409, "ContainerGroupDeleting", f"The container group {existing.name!r} is being deleted.")
    if body.model_copy(update={"tags": None}) != existing.body.model_copy(update={"tags": None}):
        message = f"The updates on container group {existing.name!r} are invalid: delete it first, then create it."
        raise ServiceError(400, "InvalidContainerGroupUpdate", message)
